"""The way in."""

from typing import Any

from django.contrib.auth.views import LoginView

from .demo import accounts


class SignInView(LoginView):
    """Django's, which offers the demo accounts with one click while the site is for trying out."""

    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            **kwargs, demo_accounts=accounts.accounts_to_try(), demo_password=accounts.PASSWORD
        )
