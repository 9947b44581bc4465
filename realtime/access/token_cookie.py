"""The token cookie: it carries a token for a browser's EventSource, which can't send headers.

A script exchanges its bearer token for a cookie that browsers send to the stream alone. The cookie
ends with the token. docs/security.md has the reasons for its attributes.
"""

import time
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from .authentication import bearer_token
from .revocation import end_credential
from .tokens import TOKEN_COOKIE, InvalidCredentials, challenge, token_header

# Name and value of a cookie, as browsers keep it.
# https://www.rfc-editor.org/rfc/rfc6265#section-6.1
COOKIE_CHARACTERS = 4096


# Exempt from CSRF checks, because no cookie authenticates here: POST needs a header that another
# site can't make a browser send, and DELETE only removes the cookie.
@method_decorator([csrf_exempt, login_not_required, never_cache], name="dispatch")
class TokenCookieView(View):
    """Sets and deletes the token cookie of a stream, at an address below the stream's own.

        path("orders/realtime/cookie", TokenCookieView.as_view(path=reverse_lazy("…")))

    POST, Authorization: Bearer <access token>
        204 and the cookie, which ends with the token; 401 without a valid one; 400 if the token is
        longer than browsers take.
    DELETE
        204, and the cookie is deleted. The streams that were opened with it end.

    path: the address of the stream; only requests to it, and below it, carry the cookie.
    """

    path: Any = None

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            signed_in = bearer_token(request)
        except InvalidCredentials as error:
            return _unauthorized(str(error), challenge(error))
        if signed_in is None:
            return _unauthorized(f"Send the access token: {token_header()}", challenge())
        token, ends_at = signed_in.secret, signed_in.ends_at
        assert token is not None  # a bearer token has both
        assert ends_at is not None
        if (length := len(TOKEN_COOKIE) + len(token)) > COOKIE_CHARACTERS:
            return JsonResponse(
                {
                    "detail": f"The cookie would have {length} characters, and browsers silently "
                    f"drop one of more than {COOKIE_CHARACTERS}. Give the token fewer "
                    "claims, or sign in by a session."
                },
                status=400,
            )
        response = HttpResponse(status=204)
        self._set_cookie(request, response, token, ends_at)
        return response

    def delete(self, request: HttpRequest) -> HttpResponse:
        if token := request.COOKIES.get(TOKEN_COOKIE):
            end_credential(token)
        response = HttpResponse(status=204)
        response.delete_cookie(TOKEN_COOKIE, path=str(self.path), samesite="Strict")
        return response

    def _set_cookie(
        self, request: HttpRequest, response: HttpResponse, token: str, ends_at: float
    ) -> None:
        response.set_cookie(
            TOKEN_COOKIE,
            token,
            max_age=max(0, int(ends_at - time.time())),
            path=str(self.path),
            secure=settings.SESSION_COOKIE_SECURE or request.is_secure(),
            httponly=True,
            samesite="Strict",
        )


def _unauthorized(detail: str, challenge: str) -> HttpResponse:
    return JsonResponse({"detail": detail}, status=401, headers={"WWW-Authenticate": challenge})
