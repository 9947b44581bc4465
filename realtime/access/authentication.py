"""Authentication: functions that return the active user who sent a request, or None.

They are called in a thread, so they may query the database. `REALTIME["AUTHENTICATION"]` names
them; they are tried in order, and the first that returns a user decides. A function that knows the
session or token returns `SignedIn` instead, and the stream ends with that session or token. If it
returns a plain user, the stream ends when the user is deactivated or deleted, or loses the
permission that the stream needs.
"""

from typing import Any, NamedTuple

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.http import HttpRequest
from django.utils.module_loading import import_string

from .. import conf
from ..log.topics import tenant_of_now
from .grants import Grant, digest
from .prefetch import Prefetched, prefetched
from .tokens import TOKEN_COOKIE, InvalidCredentials, token_in_header, user_of, validated


class SignedIn(NamedTuple):
    """A user, and the session or token by which they are signed in.

    user: the user.
    ends_at: when the sign-in ends, in seconds since the epoch; None: not known.
    session_key: the key of their session; None: they have none.
    auth_hash: `user.get_session_auth_hash()` at the sign-in; it changes with the password.
    secret: the session key or the token; `revocation.end_credential(secret)` ends the stream.
    """

    user: Any
    ends_at: float | None = None
    session_key: str | None = None
    auth_hash: str | None = None
    secret: str | None = None

    def access(self, *, permission: str | None = None) -> Grant:
        """The grant for a stream of this user.

        permission: a permission that the user needs; None: being active is enough.

        Raises TypeError if `ends_at` is no number, so that the author of the function learns it.
        """
        if self.ends_at is not None and not isinstance(self.ends_at, (int, float)):
            raise TypeError(
                f"SignedIn(ends_at={self.ends_at!r}): it has to be seconds since the epoch, such "
                "as datetime.timestamp() returns."
            )
        return Grant(
            tenant=tenant_of_now(),
            user=str(self.user.pk),
            # A user made from a token alone can't be looked up again.
            is_in_table=isinstance(self.user, get_user_model()),
            permission=permission,
            ends_at=self.ends_at,
            session_key=self.session_key,
            auth_hash=self.auth_hash,
            credential=digest(self.secret) if self.secret else None,
        )


def authenticate(request: HttpRequest) -> SignedIn | None:
    """The active user who sent this request, or None. Raises InvalidCredentials."""
    for path in conf.get("AUTHENTICATION"):
        found = import_string(path)(request)
        if found is None:
            continue
        signed_in = found if isinstance(found, SignedIn) else SignedIn(found)
        if signed_in.user.is_active:
            return signed_in
    return None


def session(request: HttpRequest) -> Any | None:
    """The user signed in by Django's session cookie."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return None
    session = getattr(request, "session", None)
    if session is None or SESSION_KEY not in session:
        return user  # another middleware has set the user
    # Some middleware lets a signed-in user act as another one, whose password isn't in the hash.
    is_theirs = str(session[SESSION_KEY]) == str(user.pk)
    return SignedIn(
        user,
        session_key=session.session_key,
        auth_hash=(session.get(HASH_SESSION_KEY) or None) if is_theirs else None,
        secret=session.session_key,
    )


def bearer_token(request: HttpRequest) -> SignedIn | None:
    """The user of a simplejwt access token in `Authorization: Bearer …`.

    `SIMPLE_JWT["AUTH_HEADER_TYPES"]` may name other words than “Bearer”.
    """
    token = token_in_header(request.headers.get("Authorization", ""))
    return None if token is None else user_of_token(token, prefetched(request))


def token_cookie(request: HttpRequest) -> SignedIn | None:
    """The user of the access token in the cookie that `TokenCookieView` sets."""
    token = request.COOKIES.get(TOKEN_COOKIE)
    try:
        return user_of_token(token, prefetched(request)) if token else None
    except InvalidCredentials:
        # A browser sends the cookie by itself, so a cookie with an expired token must not prevent
        # authentication by session.
        return None


def user_of_token(token: str, known: Prefetched | None = None) -> SignedIn:
    """The user of a simplejwt access token. Raises InvalidCredentials.

    known: what was prefetched for the request that sent the token.
    """
    if known is not None and known.token == token and known.claims is not None:
        claims, user = known.claims, user_of(known.claims, known.user)
    else:
        claims = validated(token)
        user = user_of(claims)
    return SignedIn(
        user,
        ends_at=claims["exp"],
        # The stream ends when the password changes. Whether the client can open it again depends
        # on the token, which stays valid unless SIMPLE_JWT["CHECK_REVOKE_TOKEN"] is set.
        auth_hash=user.get_session_auth_hash() if hasattr(user, "get_session_auth_hash") else None,
        secret=token,
    )
