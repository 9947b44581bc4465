"""Who is asking: functions from a request to an active user, or None.

They are called in a thread, so they may query the database. `REALTIME["AUTHENTICATION"]` names
those to try, in order; the first that returns a user decides. One that knows what the sign-in
rests on returns `SignedIn` instead, and the stream ends with it; of a plain user, the stream ends
when they are deactivated or deleted, or lose the permission that it takes.
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
    """A user, and what their being signed in rests on.

    ends_at: when it ends, in seconds since the epoch; None: not known.
    session_key: of the session they have signed in to.
    auth_hash: `user.get_session_auth_hash()` as it was then; it changes with the password.
    secret: the session key or the token, by which `revocation.end_credential` ends it.
    """

    user: Any
    ends_at: float | None = None
    session_key: str | None = None
    auth_hash: str | None = None
    secret: str | None = None

    def access(self, *, permission: str | None = None) -> Grant:
        """What a stream for this user rests on; permission: what it takes beside being active.

        Raises TypeError if `ends_at` is no number: told here, to whoever wrote the function.
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
        return user  # some other middleware knows them
    # Some middleware lets who has signed in act as somebody else: the hash isn't of their password.
    is_theirs = str(session[SESSION_KEY]) == str(user.pk)
    return SignedIn(
        user,
        session_key=session.session_key,
        auth_hash=(session.get(HASH_SESSION_KEY) or None) if is_theirs else None,
        secret=session.session_key,
    )


def bearer_token(request: HttpRequest) -> SignedIn | None:
    """The user of a simplejwt access token in `Authorization: Bearer …`.

    Or after another word than “Bearer”, if `SIMPLE_JWT["AUTH_HEADER_TYPES"]` says so.
    """
    token = token_in_header(request.headers.get("Authorization", ""))
    return None if token is None else user_of_token(token, prefetched(request))


def token_cookie(request: HttpRequest) -> SignedIn | None:
    """The user of the access token in the cookie that `TokenCookieView` has given."""
    token = request.COOKIES.get(TOKEN_COOKIE)
    try:
        return user_of_token(token, prefetched(request)) if token else None
    except InvalidCredentials:
        # Nobody chooses to send a cookie: one that has outlived its token must not stand in the
        # way of a session.
        return None


def user_of_token(token: str, known: Prefetched | None = None) -> SignedIn:
    """The user of a simplejwt access token. Raises InvalidCredentials.

    known: what was looked up for the request that sent it.
    """
    if known is not None and known.token == token and known.claims is not None:
        claims, user = known.claims, user_of(known.claims, known.user)
    else:
        claims = validated(token)
        user = user_of(claims)
    return SignedIn(
        user,
        ends_at=claims["exp"],
        # A token stays valid after a change of password, unless SIMPLE_JWT["CHECK_REVOKE_TOKEN"]
        # is set. The stream ends in any case, and the token decides whether it opens again.
        auth_hash=user.get_session_auth_hash() if hasattr(user, "get_session_auth_hash") else None,
        secret=token,
    )
