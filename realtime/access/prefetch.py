"""Prefetch: one query for the sessions, and one for the users, of many waiting requests.

When many clients reconnect, each request needs a session and a user. Django's ORM takes 0.3 ms for
each of them, of the 0.8 ms that opening a stream takes, and little more for 64 requests together.

Prefetching decides nothing and remembers nothing. Middleware, authentication and permissions run
for each request as usual, and find the rows that were read for this request a moment ago. The
access monitor checks each new stream after it is open, and so finds what has changed since.
"""

import copy
import logging
from collections.abc import Iterable
from contextlib import suppress
from threading import Lock
from typing import Any

from django.conf import settings
from django.http import HttpRequest, parse_cookie
from django.utils.functional import LazyObject

from . import sessions
from .permissions import holders
from .tokens import TOKEN_COOKIE, InvalidCredentials, token_in_header, users_of, validated

logger = logging.getLogger("realtime")

SCOPE_KEY = "realtime.prefetched"
# How many requests are looked up together: this bounds the memory and the time that they wait.
MOST = 64


class Prefetched:
    """The rows that were looked up for one request.

    token: the access token that the request carries, if any. claims: those of a valid token.
    session_key: the key of its session, if it has one. session: the data of that session.
    user: the user of the token or session.
    """

    __slots__ = ("_together", "claims", "session", "session_key", "token", "user")

    def __init__(self, together: "Prefetch", scope: dict[str, Any]) -> None:
        self._together: Prefetch | None = together
        self.token, self.session_key = _credentials(scope)
        self.claims: Any = None
        self.session: sessions.Data | None = None
        self.user: Any = None

    def give(self, request: HttpRequest) -> None:
        """Give Django the rows that it would otherwise query for, see sessions.py."""
        if self.session_key is not None and self.session is not None:
            sessions.give(request, self.session_key, self.session, self.user)

    def forget(self) -> None:
        """Drop the rows once the request is answered, so that no reference cycle keeps them."""
        self.token = self.session_key = self.claims = self.session = self.user = None
        self._together = None

    def holds(self, user: Any, permission: str) -> bool:
        """Whether a user holds a permission, as `user.has_perm` says."""
        # Django's middleware wraps a session's user in a lazy object, which is resolved by now.
        plain = user._wrapped if isinstance(user, LazyObject) else user
        if self._together is None or self.user is None or plain is not self.user:
            return bool(user.has_perm(permission))
        return user.pk in self._together.holders(permission)


class Prefetch:
    """Looks up the sessions and users for requests that wait at the same time.

    scopes: the ASGI scopes of these requests.

    The first thread that answers one of them makes the queries, while the others wait for it.
    """

    def __init__(self, scopes: list[dict[str, Any]]) -> None:
        self._lock = Lock()
        self._is_done = False
        self._holders: dict[str, set[Any]] = {}
        self._prefetched = [Prefetched(self, scope) for scope in scopes]
        for scope, prefetched in zip(scopes, self._prefetched, strict=True):
            scope[SCOPE_KEY] = prefetched

    def look_up(self) -> None:
        """Make the queries for all of the requests, once."""
        with self._lock:
            if not self._is_done:
                self._is_done = True
                try:
                    self._look_up()
                except Exception as error:
                    # Now each request makes its own queries, and its own error response.
                    logger.debug("Could not look up the users of waiting requests: %s", error)

    def _look_up(self) -> None:
        for one in self._prefetched:
            if one.token is not None:
                with suppress(InvalidCredentials):
                    one.claims = validated(one.token)
        by_token = [one for one in self._prefetched if one.claims is not None]
        if by_token:
            _give_users(by_token, users_of([one.claims for one in by_token]))
        by_session = [one for one in self._prefetched if one.claims is None and one.session_key]
        if by_session and sessions.are_djangos():
            loaded = sessions.load([one.session_key for one in by_session])
            _give_users(by_session, sessions.users_of(loaded))
            for one, session in zip(by_session, loaded, strict=True):
                one.session = session

    def holders(self, permission: str) -> set[Any]:
        """The keys of the prefetched users who hold a permission."""
        with self._lock:
            if permission not in self._holders:
                # Requests that have been answered meanwhile have dropped their user.
                users = [user for one in self._prefetched if (user := one.user) is not None]
                self._holders[permission] = holders(users, permission)
            return self._holders[permission]


def prefetched(request: HttpRequest) -> Prefetched | None:
    """The rows prefetched for this request; None if it was not prefetched together with others."""
    return getattr(request, "scope", {}).get(SCOPE_KEY)


def _give_users(requests: list[Prefetched], users: Iterable[Any]) -> None:
    given = set()
    for one, user in zip(requests, users, strict=True):
        # Each request gets a copy of its own: a change to one must not show in another.
        one.user = copy.copy(user) if id(user) in given else user
        given.add(id(user))


def _credentials(scope: dict[str, Any]) -> tuple[str | None, str | None]:
    """The access token and the key of the session that a request carries."""
    token = session_key = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            with suppress(InvalidCredentials):
                token = token_in_header(value.decode("latin1")) or token
        elif name == b"cookie":
            cookies = parse_cookie(value.decode("latin1"))
            token = token or cookies.get(TOKEN_COOKIE)
            key = cookies.get(settings.SESSION_COOKIE_NAME)
            if key is not None and sessions.may_be_key(key):
                session_key = key
    return token, session_key
