"""Django's sessions and their users, loaded for many requests at once.

Only where Django's own database engine and middleware are used. Django caches its rows in two
private attributes: `_session_cache` of a session and `_cached_user` of a request. Filling them
beforehand saves a request two of its three queries. A session that Django would end or renew, or
whose user it would refuse, is left to Django.
"""

from collections.abc import Collection
from typing import Any

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
    load_backend,
)
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.module_loading import import_string

MIDDLEWARE = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
)
Data = dict[str, Any]


def are_djangos() -> bool:
    """Whether Django's own code alone decides about sessions and their users."""
    return (
        SessionStore.__module__ == settings.SESSION_ENGINE
        and set(MIDDLEWARE) <= set(settings.MIDDLEWARE)
        # Otherwise Django would write prefetched data back over another request's changes.
        and not settings.SESSION_SAVE_EVERY_REQUEST
    )


def may_be_key(key: str) -> bool:
    """Whether this can be a session key: an invalid one must not break the query for all."""
    return key.isascii() and key.isalnum() and len(key) <= 40


def load(keys: Collection[str | None]) -> list[Data | None]:
    """The data of sessions by one query, in the keys' order; None where there is no session.

    Raises django.db.Error.
    """
    sessions = SessionStore.get_model_class().objects.filter(expire_date__gt=timezone.now())
    wanted = {key for key in keys if key is not None}
    found = dict(sessions.filter(session_key__in=wanted).values_list("session_key", "session_data"))
    store: Any = SessionStore()
    return [store.decode(found[key]) if key in found else None for key in keys]


def users_of(sessions: Collection[Data | None]) -> list[Any]:
    """The users of these sessions by one query, in their order; None where it isn't known.

    `give` checks whether they are still signed in. Raises django.db.Error.
    """
    user_model = get_user_model()
    keys = [None if data is None else _user_key(user_model, data) for data in sessions]
    found = user_model._default_manager.in_bulk({key for key in keys if key is not None})
    return [found.get(key) for key in keys]


def give(request: HttpRequest, key: str, data: Data, user: Any) -> None:
    """Fill Django's caches of a request, unless its session has been loaded already.

    key: the session's key. data: its data. user: its user; None: not known.
    """
    session: Any = getattr(request, "session", None)
    if type(session) is not SessionStore or session.session_key != key:
        return
    if hasattr(session, "_session_cache") or hasattr(request, "_cached_user"):
        return
    session._session_cache = data  # type: ignore[attr-defined]  # see above
    if user is not None and _is_signed_in(user, data):
        request._cached_user = user  # type: ignore[attr-defined]  # see above


def _user_key(user_model: Any, data: Data) -> Any:
    # Imported here, because Django loads the models later than this module.
    from django.contrib.auth.backends import ModelBackend

    backend = data.get(BACKEND_SESSION_KEY)
    if SESSION_KEY not in data or backend not in settings.AUTHENTICATION_BACKENDS:
        return None
    if import_string(backend).get_user is not ModelBackend.get_user:
        return None
    try:
        return user_model._meta.pk.to_python(data[SESSION_KEY])
    except (TypeError, ValidationError):
        return None


def _is_signed_in(user: Any, data: Data) -> bool:
    """Whether the user is signed in, by the check that Django's `get_user()` makes first."""
    backend: Any = load_backend(data[BACKEND_SESSION_KEY])
    if not backend.user_can_authenticate(user):
        return False
    if not hasattr(user, "get_session_auth_hash"):
        return True
    auth_hash = data.get(HASH_SESSION_KEY) or ""
    return constant_time_compare(auth_hash, user.get_session_auth_hash())
