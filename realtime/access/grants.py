"""Grant: what an open stream remembers of who opened it, and whether they still may read it."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore
from django.utils import timezone
from django.utils.crypto import constant_time_compare

# How many are looked at together: a bounded piece of memory, and of the time that a query takes.
BATCH = 500


@dataclass(slots=True, eq=False)
class Grant:
    """What one open stream rests on. Small, for a process has thousands of them.

    user: the user's primary key as text; empty: nobody.
    is_in_table: whether that is the key of a user who can be looked up again.
    permission: what it takes beside being active.
    ends_at: when it ends by itself, in seconds since the epoch; None: not known.
    session_key: the session it came with, if it came with one.
    auth_hash: stands for the password of the user, see `AbstractBaseUser.get_session_auth_hash`.
    credential: the digest of the session key or of the token, by which a hint names it.
    place: what is kept for the stream until it is open, see `OpenStreams.reserve`.
    """

    user: str = ""
    is_in_table: bool = False
    permission: str | None = None
    ends_at: float | None = None
    session_key: str | None = None
    auth_hash: str | None = None
    credential: str | None = None
    place: Any = None


def digest(secret: str) -> str:
    """What stands for a session key or a token where others could read it: in a NOTIFY, a log."""
    return hashlib.sha256(secret.encode()).hexdigest()


def ended(accesses: Collection[Grant]) -> list[Grant]:
    """Those of the accesses that hold no longer, by a few queries for each 500 of them.

    Beside those it takes two for each user whose stream needs a permission: only `has_perm` knows
    what the project's backends say, and those who may read everybody's events are few. Notes in
    `ends_at` when the others end, where that can be told.
    """
    together = list(accesses)
    over = []
    # Each batch to its end, so that the users of one are gone before the next: five thousand of
    # them at once wake up the garbage collector, for all that the process holds.
    for start in range(0, len(together), BATCH):
        batch = together[start : start + BATCH]
        users = _users({access.user for access in batch if access.is_in_table})
        sessions = _sessions({a.session_key for a in batch if a.session_key is not None})
        over += [access for access in batch if not _holds(access, users, sessions)]
    return over


def _holds(access: Grant, users: dict[str, Any], sessions: dict[str, float | None]) -> bool:
    if access.session_key is not None:
        if access.session_key not in sessions:
            return False
        access.ends_at = sessions[access.session_key]
    if not access.is_in_table:
        return True
    user = users.get(access.user)
    if user is None or not user.is_active:
        return False
    if access.auth_hash is not None and not _has_auth_hash(user, access.auth_hash):
        return False
    return access.permission is None or user.has_perm(access.permission)


def _has_auth_hash(user: Any, auth_hash: str) -> bool:
    """As `django.contrib.auth.get_user` looks at it: a SECRET_KEY may have been replaced."""
    return constant_time_compare(auth_hash, user.get_session_auth_hash()) or any(
        constant_time_compare(auth_hash, fallback)
        for fallback in user.get_session_auth_fallback_hash()
    )


def _users(keys: set[str]) -> dict[str, Any]:
    """The users that there are, by their keys."""
    users = get_user_model()._default_manager
    return {str(user.pk): user for user in users.filter(pk__in=keys)}


def _sessions(keys: set[str]) -> dict[str, float | None]:
    """The sessions that go on, and when they end: in seconds since the epoch, None if unknown."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    if not issubclass(store, DatabaseSessionStore):
        return {key: None for key in keys if SESSION_KEY in store(key).load()}
    sessions = store.get_model_class().objects.filter(expire_date__gt=timezone.now())
    ends = sessions.filter(session_key__in=keys).values_list("session_key", "expire_date")
    return {key: end.timestamp() for key, end in ends}
