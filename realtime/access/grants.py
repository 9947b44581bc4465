"""Grants: by which user and credential a stream was opened, and whether they still may read it."""

import hashlib
import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from ipaddress import ip_address, ip_network
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore
from django.core.exceptions import PermissionDenied
from django.db import Error, router
from django.http import Http404
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.module_loading import import_string

from .. import conf
from ..log.topics import Topics
from .permissions import holders

logger = logging.getLogger("realtime")

# How many grants are checked together: this bounds the memory and the time of a query.
BATCH = 500


# No primary key begins like this.
ANONYMOUS = "\0anonymous "


def anonymous_user(view: str, address: str) -> str:
    """The key under which the streams of an anonymous visitor are counted: view and address.

    An IPv6 address stands for its /64 network, because a provider gives one to each customer.
    """
    try:
        ip = ip_address(address)
    except ValueError:  # a socket of this machine
        return f"{ANONYMOUS}{view} {address}"
    if ip.version == 6 and ip.ipv4_mapped is not None:  # the socket accepts IPv4 and IPv6
        address = str(ip.ipv4_mapped)
    elif ip.version == 6:
        address = str(ip_network((int(ip), 64), strict=False).network_address)
    return f"{ANONYMOUS}{view} {address}"


def is_anonymous(user: str) -> bool:
    return user.startswith(ANONYMOUS)


@dataclass(slots=True, eq=False)
class Review:
    """Asks a view again which topics its client may follow.

    ask: is called with the user as they are now, or None for an anonymous visitor, and returns the
        topics. It raises PermissionDenied or Http404 if there are none, and may query the database.
    topics: the topics that it returned last.
    """

    ask: Callable[[Any], Topics]
    topics: Topics

    def renew(self, user: Any) -> bool:
        """Ask the view, and return whether any topic is left."""
        try:
            # In a context of its own: what a view sets there is not for the next one that is asked.
            self.topics = copy_context().run(self.ask, user)
        except (PermissionDenied, Http404):
            return False
        return True


@dataclass(slots=True, eq=False)
class Grant:
    """What one open stream depends on. It is small, because a process has thousands of them.

    user: the user's primary key as text; for an anonymous visitor, see `anonymous_user`; empty:
        nobody.
    is_in_table: whether a user with this key can be loaded from the database.
    permission: a permission that the user needs; None: being active is enough.
    ends_at: when the grant ends by itself, in seconds since the epoch; None: not known.
    session_key: the key of the session that the request carried; None: it carried none.
    auth_hash: changes with the user's password, see `AbstractBaseUser.get_session_auth_hash`.
    credential: the digest of the session key or token; a notification names it by this.
    place: the reserved place until the stream is open, see `OpenStreams.reserve`.
    review: asks the view again for the topics; None: they depend on the fields above alone.
    tenant: the user's tenant, see REALTIME["TENANT"]; empty where there are none.
    verified_at: when the grant was last known to hold, by `time.monotonic`.
    doubted_at: when a notification cast doubt on it; infinity: no such check is outstanding.
    password: `hash()` of the user's password field at the last check; None: a full check is needed.
    has_failed: at the last check, the project's own code raised an error.
    """

    user: str = ""
    is_in_table: bool = False
    permission: str | None = None
    ends_at: float | None = None
    session_key: str | None = None
    auth_hash: str | None = None
    credential: str | None = None
    place: Any = None
    review: Review | None = None
    tenant: str = ""
    verified_at: float = field(default_factory=time.monotonic)
    doubted_at: float = math.inf
    password: int | None = None
    has_failed: bool = False

    @property
    def counted_as(self) -> str:
        """The key under which a user's streams are counted: two tenants may each have a user 1."""
        return f"{self.user}\0{self.tenant}" if self.tenant else self.user


def digest(secret: str) -> str:
    """A digest of a session key or token, for places where others can read: a NOTIFY, a log."""
    return hashlib.sha256(secret.encode()).hexdigest()


def ended(accesses: Collection[Grant]) -> list[Grant]:
    """The grants that no longer hold. It takes a few queries for each 500 grants.

    Views that decide on topics add their own queries. So does a project's own permission backend,
    for each user whose stream needs a permission. For the other grants, `ends_at` is updated if the
    end is known.
    """
    of_tenant = defaultdict(list)
    for access in accesses:
        of_tenant[access.tenant].append(access)
    over = []
    for tenant, together in of_tenant.items():
        with _in_tenant(tenant):
            over += _ended_together(together)
    return over


@contextmanager
def _in_tenant(tenant: str) -> Iterator[None]:
    path = conf.get("TENANT_CONTEXT")
    if not tenant or path is None:
        yield
    else:
        with import_string(path)(tenant):
            yield


class Permissions:
    """The permissions that some grants need, and their holders: looked up together, when needed."""

    def __init__(self, grants: list[Grant], users: dict[str, Any]) -> None:
        self._holders: dict[str, set[Any]] = {}
        self._errors: dict[str, Exception] = {}
        self._needed: dict[str, dict[str, Any]] = defaultdict(dict)
        for grant in grants:
            if grant.permission is not None and (user := users.get(grant.user)) is not None:
                self._needed[grant.permission][grant.user] = user

    def holds(self, user: Any, permission: str) -> bool:
        """Whether a user holds a permission. Raises any error of the project's own backend."""
        if permission in self._errors:
            raise self._errors[permission]  # not tried for each user: its server may be down
        if permission not in self._holders:
            try:
                those = list(self._needed[permission].values())
                self._holders[permission] = holders(those, permission)
            except Exception as error:
                self._errors[permission] = error
                raise
        return user.pk in self._holders[permission]


def _ended_together(together: list[Grant]) -> list[Grant]:
    over = []
    # Batch by batch, so that the users of one batch are freed before the next is loaded: five
    # thousand of them at once would make the garbage collector go through the whole process.
    for start in range(0, len(together), BATCH):
        batch = together[start : start + BATCH]
        unchanged = _unchanged(batch)
        users = _users({one.user for one in batch if one.is_in_table and one not in unchanged})
        sessions = _sessions({a.session_key for a in batch if a.session_key is not None})
        permissions = Permissions(batch, users)
        over += [
            one
            for one in batch
            if not _session_goes_on(one, sessions)
            or not (one in unchanged or _may_hold(one, users, permissions))
        ]
    return over


def _session_goes_on(access: Grant, sessions: dict[str, float | None]) -> bool:
    if access.session_key is None:
        return True
    if access.session_key not in sessions:
        return False
    access.ends_at = sessions[access.session_key]
    return True


def _may_hold(access: Grant, users: dict[str, Any], permissions: Permissions) -> bool:
    """_holds(), but True if the project's own code fails: that must not affect other streams."""
    failed_before, access.has_failed = access.has_failed, False
    try:
        return _holds(access, users, permissions)
    except Error:  # InterfaceError is no DatabaseError
        raise
    except BaseException:  # in a thread SystemExit and CancelledError mean nobody but that code
        if not failed_before:
            logger.exception("A view, or a backend, could not say again what a stream may follow")
        access.has_failed = True
        return True


def _holds(access: Grant, users: dict[str, Any], permissions: Permissions) -> bool:
    if not access.is_in_table:
        return access.review is None or access.review.renew(None)
    user = users.get(access.user)
    if user is None or not user.is_active:
        return False
    if access.auth_hash is not None and not _has_auth_hash(user, access.auth_hash):
        return False
    if access.permission is not None and not permissions.holds(user, access.permission):
        return False
    if access.review is not None:
        return access.review.renew(user)
    user_model: Any = type(user)
    if access.permission is None and _are_active_by_row(user_model):
        access.password = hash(user.password)
    return True


def _has_auth_hash(user: Any, auth_hash: str) -> bool:
    """Whether the hash is the user's, also under a rotated SECRET_KEY: as Django's `get_user()`."""
    return constant_time_compare(auth_hash, user.get_session_auth_hash()) or any(
        constant_time_compare(auth_hash, fallback)
        for fallback in user.get_session_auth_fallback_hash()
    )


def _unchanged(grants: Collection[Grant]) -> set[Grant]:
    """The grants whose user is still active and still has the same password as at the last check.

    It compares two columns. Making an instance of each user and a digest of their password every
    ten seconds took most of the time of a process with thousands of quiet streams.
    """
    keys = {grant.user for grant in grants if grant.password is not None}
    if not keys:
        return set()
    users = _as_written(get_user_model()).filter(pk__in=keys, is_active=True)
    passwords = {str(key): hash(text) for key, text in users.values_list("pk", "password")}
    return {
        grant
        for grant in grants
        if grant.password is not None and passwords.get(grant.user) == grant.password
    }


@cache
def _are_active_by_row(user_model: Any) -> bool:
    """Whether two columns decide if a user's grant holds: no code of the project's own does."""
    fields = {field.name for field in user_model._meta.concrete_fields}
    auth_hash = getattr(user_model, "get_session_auth_hash", None)
    return {"is_active", "password"} <= fields and auth_hash is _django_auth_hash()


def _django_auth_hash() -> Any:
    # Imported here, because Django loads the models later than this module.
    from django.contrib.auth.base_user import AbstractBaseUser

    return AbstractBaseUser.get_session_auth_hash


def _users(keys: set[str]) -> dict[str, Any]:
    """The existing users with these keys, by key."""
    users = _as_written(get_user_model())
    return {str(user.pk): user for user in users.filter(pk__in=keys)}


def _as_written(model: Any) -> Any:
    """A queryset that reads from the database where the model is written: a project's router may
    read from a replica, which may not have the latest changes yet.
    """
    rows = model._default_manager.all()
    return rows if rows._db is not None else rows.using(router.db_for_write(model))


def _sessions(keys: set[str]) -> dict[str, float | None]:
    """The sessions that still exist, and when each ends: seconds since the epoch; None: unknown."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    if not issubclass(store, DatabaseSessionStore):
        return {key: None for key in keys if SESSION_KEY in store(key).load()}
    sessions = _as_written(store.get_model_class()).filter(expire_date__gt=timezone.now())
    ends = sessions.filter(session_key__in=keys).values_list("session_key", "expire_date")
    return {key: end.timestamp() for key, end in ends}
