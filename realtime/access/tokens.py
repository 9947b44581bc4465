"""Access tokens of simplejwt: reading one from a request, and finding its user."""

from typing import Any, Self

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import DataError

from ..exceptions import RealtimeError

# The cookie that carries an access token to a stream, see token_cookie.py.
TOKEN_COOKIE = "realtime_token"


class InvalidCredentials(RealtimeError):
    """The request has wrong credentials. Others that it may also have are not tried."""


def token_schemes() -> tuple[str, ...]:
    """The words that may stand before an access token in the header, the usual one first."""
    try:
        from rest_framework_simplejwt.settings import api_settings
    except ModuleNotFoundError:
        return ("Bearer",)
    schemes = api_settings.AUTH_HEADER_TYPES
    return tuple(schemes) if isinstance(schemes, (list, tuple)) else (schemes,)


def token_header() -> str:
    """The header that carries an access token, for messages."""
    return f"Authorization: {token_schemes()[0]} <access token>"


def challenge(error: InvalidCredentials | None = None) -> str:
    """The WWW-Authenticate header of a 401 (RFC 6750, section 3)."""
    return f'{token_schemes()[0]} realm="events"' + (', error="invalid_token"' if error else "")


def token_in_header(authorization: str) -> str | None:
    """The access token in the value of an Authorization header (RFC 6750, section 2.1).

    None if the header has another scheme. Raises InvalidCredentials if no token follows the scheme.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() not in (one.lower() for one in token_schemes()):
        return None
    token = token.strip()
    if not token or " " in token:
        raise InvalidCredentials(f"The header has to be: {token_header()}")
    return token


def validated(token: str) -> Any:
    """The claims of an access token of this site. Raises InvalidCredentials."""
    # Imported here, because a project that only uses sessions needs no simplejwt.
    try:
        from rest_framework.exceptions import AuthenticationFailed
        from rest_framework_simplejwt.authentication import JWTAuthentication
    except ModuleNotFoundError as error:
        raise InvalidCredentials("This site takes no access tokens.") from error
    try:
        return JWTAuthentication().get_validated_token(token.encode())
    except AuthenticationFailed as error:
        raise InvalidCredentials(_message(error)) from error
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidCredentials("The token has a claim that makes no sense.") from error


def user_of(claims: Any, found: Any = None) -> Any:
    """The user of a validated token, if simplejwt lets them in. Raises InvalidCredentials.

    found: that user, if they have been loaded already.
    """
    from rest_framework.exceptions import AuthenticationFailed
    from rest_framework_simplejwt.authentication import JWTAuthentication

    authentication: Any = JWTAuthentication()
    if found is not None:
        authentication.user_model = _Found(found)
    try:
        return authentication.get_user(claims)
    except AuthenticationFailed as error:
        raise InvalidCredentials(_message(error)) from error
    except (TypeError, ValueError, OverflowError, ValidationError, DataError) as error:
        # The signature is right, but the claims can't be a user's key.
        raise InvalidCredentials("The token has a claim that makes no sense.") from error


def users_of(claims: list[Any]) -> list[Any]:
    """The users of validated tokens by one query, in their order; None where there is no user.

    `user_of` decides whether simplejwt lets them in. Raises django.db.Error.
    """
    from django.contrib.auth import get_user_model
    from rest_framework_simplejwt.settings import api_settings

    user_model = get_user_model()
    field: Any = user_model._meta.get_field(api_settings.USER_ID_FIELD)
    keys = []
    for one in claims:
        try:
            keys.append(field.to_python(one.get(api_settings.USER_ID_CLAIM)))
        except (TypeError, ValidationError):
            keys.append(None)
    wanted = {f"{field.name}__in": {key for key in keys if key is not None}}
    users = {
        getattr(user, field.attname): user for user in get_user_model().objects.filter(**wanted)
    }
    return [users.get(key) for key in keys]


class _Found:
    """Replaces the user model for simplejwt, and returns a user who has been loaded already."""

    DoesNotExist = ObjectDoesNotExist

    def __init__(self, user: Any) -> None:
        self._user = user

    @property
    def objects(self) -> Self:
        return self

    def get(self, **lookup: Any) -> Any:
        return self._user


def _message(error: Any) -> str:
    detail = error.detail
    return str(detail["detail"] if isinstance(detail, dict) else detail)
