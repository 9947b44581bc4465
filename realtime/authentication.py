"""Who is asking: functions from a request to an active user, or None.

They are called in a thread, so they may query the database. `REALTIME["AUTHENTICATION"]` names
those to try, in order; the first that returns a user decides.
"""

from typing import Any

from django.http import HttpRequest
from django.utils.module_loading import import_string

from . import conf


class InvalidCredentials(Exception):
    """Credentials were given, and they are wrong: whatever else the request has doesn't count."""


def authenticate(request: HttpRequest) -> Any | None:
    """The active user who sent this request, or None. Raises InvalidCredentials."""
    for path in conf.get("AUTHENTICATION"):
        user = import_string(path)(request)
        if user is not None and user.is_active:
            return user
    return None


def session(request: HttpRequest) -> Any | None:
    """The user signed in by Django's session cookie."""
    user = getattr(request, "user", None)
    return user if user is not None and user.is_authenticated else None


def bearer_token(request: HttpRequest) -> Any | None:
    """The user of a simplejwt access token in `Authorization: Bearer …` (RFC 6750, section 2.1)."""
    scheme = request.headers.get("Authorization", "").partition(" ")[0]
    if scheme.lower() != "bearer":
        return None
    # Imported here: a project that signs in by session only needs no simplejwt.
    from rest_framework.exceptions import AuthenticationFailed
    from rest_framework_simplejwt.authentication import JWTAuthentication

    try:
        authenticated = JWTAuthentication().authenticate(request)
    except AuthenticationFailed as error:
        detail = error.detail
        raise InvalidCredentials(
            str(detail["detail"] if isinstance(detail, dict) else detail)
        ) from error
    if authenticated is None:
        raise InvalidCredentials("The header has to be: Authorization: Bearer <access token>")
    return authenticated[0]
