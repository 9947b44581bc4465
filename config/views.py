"""Signing in and out."""

from typing import Any

from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import resolve_url

from .demo import accounts


class SignInView(LoginView):
    """Django's login, which offers the demo accounts by one click on a site for trying out."""

    redirect_authenticated_user = True

    def get_default_redirect_url(self) -> str:
        """Staff begin at the board, customers at their own page."""
        user = self.request.user
        if user.is_staff and user.has_perm("orders.view_order"):
            return resolve_url("orders_board")
        return super().get_default_redirect_url()

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            **kwargs, demo_accounts=accounts.accounts_to_try(), demo_password=accounts.PASSWORD
        )


class SignOutView(LogoutView):
    """Django's logout, which clears the browser's cache: “Back” shows no private page."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = super().dispatch(request, *args, **kwargs)
        response.headers["Clear-Site-Data"] = '"cache"'
        return response
