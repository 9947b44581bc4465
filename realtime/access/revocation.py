"""Revocation: when an access ends, the access monitors are notified and check at once.

Django has signals for most of these changes, but not for the end of a session. `user_logged_out` is
sent before it, and not for every `flush()`. A receiver of the session model's `post_delete` would
make `clearsessions` load all expired sessions into memory instead of running one statement. But in
every backend, a session that is ended early goes through its store's `delete()`.
"""

import logging
from collections.abc import Callable, Iterable
from functools import wraps
from importlib import import_module
from typing import Any

from asgiref.sync import sync_to_async
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.base import SessionBase
from django.db import DatabaseError, connections, transaction
from django.db.models import Model
from django.db.models.signals import m2m_changed, post_delete, post_migrate, post_save

from .. import conf
from ..log import notifications
from ..log.topics import Topic, topic_of
from .ends_of_users import signed
from .grants import digest

logger = logging.getLogger("realtime")


def end_credential(secret: str) -> None:
    """Close the streams that were opened with this session key or token, in every process.

    secret: the session key or the token.

    It takes effect once the open transaction has committed.
    """
    _notify_after_commit(notifications.access(notifications.CREDENTIAL_ENDED, digest(secret)))


def end_streams(user: str) -> None:
    """Close a user's streams in every process. A client that may still read reconnects.

    user: the user's primary key as text.
    """
    _notify_after_commit(notifications.access(notifications.USER_ENDED, signed(user)))


def recheck(*subjects: Any) -> None:
    """Check again, in every process, who may follow what, once this transaction has committed.

    Call it after a change that only a view's `topics()` knows of: a user has left a team, or a
    document was hidden.

    subjects: a user, to check their streams; or another topic, to check its followers. Without any,
        every stream whose view has a `topics()` of its own is checked.

    Raises InvalidTopic if a subject is no topic.
    """
    _recheck(subjects)


def _recheck(subjects: Iterable[Any] = (), using: str | None = None) -> None:
    """using: the database whose open transaction it waits for; the log's own if None."""
    subjects = list(subjects)
    if not subjects:
        _notify_after_commit(notifications.access(notifications.PERMISSIONS_CHANGED), using)
    for subject in subjects:
        if (user := _key_of_user(subject)) is not None:
            _notify_after_commit(notifications.access(notifications.USER_CHANGED, user), using)
        topic = topic_of(subject)
        _notify_after_commit(notifications.access(notifications.TOPIC_CHANGED, topic), using)


def recheck_when_changed(members: Any) -> None:
    """Check users again when they are added to a many-to-many field or removed from it.

        realtime.recheck_when_changed(Team.members)     # in AppConfig.ready()

    members: the field, as an attribute of its model. If the field has a `through` model of its own
        (`through=Membership`), saving and deleting its rows counts as well.
    """
    through = members.through
    _connect(m2m_changed, _on_members_changed, through)
    if not through._meta.auto_created:
        for model in _with_subclasses(through):
            _connect(post_save, _on_membership_saved, model)
            _connect(post_delete, _on_membership_deleted, model)


def _on_members_changed(
    action: str, instance: Any, model: Any, pk_set: set[Any] | None, using: str, **kwargs: Any
) -> None:
    if not action.startswith("post_"):
        return
    user_model = get_user_model()
    if isinstance(instance, user_model):
        _recheck([instance], using)
    elif pk_set is None or not issubclass(user_model, model):
        _recheck(using=using)  # all were removed at once: the signal doesn't say who they were
    else:
        _recheck([Topic(user_model._meta.label_lower, pk) for pk in pk_set], using)


def _on_membership_saved(instance: Any, created: bool, using: str, **kwargs: Any) -> None:
    # A row that was changed may have named another user before.
    _recheck(_users_of(instance) if created else (), using)


def _on_membership_deleted(instance: Any, using: str, **kwargs: Any) -> None:
    _recheck(_users_of(instance), using)


def _users_of(membership: Any) -> list[Topic]:
    """The users that a row of a `through` model names; none: unknown, so everybody is checked."""
    user_model = get_user_model()
    return [
        Topic(user_model._meta.label_lower, str(key))
        for field in membership._meta.fields
        if isinstance(field.related_model, type)
        and (
            issubclass(user_model, field.related_model)
            or issubclass(field.related_model, user_model)
        )
        and field.target_field.primary_key
        and (key := getattr(membership, field.attname)) is not None
    ]


def _key_of_user(subject: Any) -> str | None:
    """The primary key, as text, of a user or the topic of one."""
    user_model = get_user_model()
    if isinstance(subject, user_model):
        return _key(subject)
    if isinstance(subject, Topic) and subject.kind == user_model._meta.label_lower:
        return str(subject.key)
    return None


def _key(user: Any) -> str:
    """A user's primary key in the form that grants use, also for an instance of a subclass."""
    key: Any = get_user_model()._meta.pk
    return str(key.to_python(getattr(user, key.attname)))


def connect() -> None:
    """Connect to Django's signals for the end of an access; called by the app's `ready()`."""
    user_model = get_user_model()
    for model in _with_subclasses(user_model):
        _connect(post_save, _on_user_saved, model)
        _connect(post_delete, _on_user_deleted, model)
    for model, field in _granting_fields(user_model):
        _connect(m2m_changed, _on_grants_changed, getattr(model, field).through)
    if apps.is_installed("django.contrib.auth"):
        for name in ("Group", "Permission"):
            for model in _with_subclasses(apps.get_model("auth", name)):
                _connect(post_delete, _on_grant_deleted, model)
    # `manage.py flush` also sends this one. It deletes all users and sends no other signal.
    post_migrate.connect(
        _on_migrated,
        sender=apps.get_app_config("realtime"),
        dispatch_uid="realtime._on_migrated",
    )
    tell_of_deletion(import_module(settings.SESSION_ENGINE).SessionStore)


def _with_subclasses(model: type[Model]) -> list[type[Model]]:
    """A model and its proxies and subclasses: Django's signals name the class of the instance."""
    return [one for one in apps.get_models(include_auto_created=True) if issubclass(one, model)]


def _connect(signal: Any, receiver: Callable[..., None], sender: Any) -> None:
    uid = f"realtime.{receiver.__name__}.{sender._meta.label}"
    signal.connect(receiver, sender=sender, dispatch_uid=uid)


def _granting_fields(user_model: Any) -> list[tuple[Any, str]]:
    """The many-to-many fields by which users hold permissions; a user model may have none."""
    fields = [(user_model, "groups"), (user_model, "user_permissions")]
    if apps.is_installed("django.contrib.auth"):
        fields.append((apps.get_model("auth", "Group"), "permissions"))
    return [(model, field) for model, field in fields if hasattr(model, field)]


def _on_user_saved(
    instance: Any, created: bool, update_fields: frozenset[str] | None, using: str, **kwargs: Any
) -> None:
    # Each login saves this one field, which takes no access away.
    if not created and update_fields != frozenset({"last_login"}):
        _notify_after_commit(
            notifications.access(notifications.USER_CHANGED, _key(instance)), using
        )


def _on_user_deleted(instance: Any, using: str, **kwargs: Any) -> None:
    _notify_after_commit(notifications.access(notifications.USER_CHANGED, _key(instance)), using)


def _on_grants_changed(action: str, using: str, **kwargs: Any) -> None:
    if action in ("post_remove", "post_clear"):
        _notify_after_commit(notifications.access(notifications.PERMISSIONS_CHANGED), using)


def _on_grant_deleted(using: str, **kwargs: Any) -> None:
    _notify_after_commit(notifications.access(notifications.PERMISSIONS_CHANGED), using)


def _on_migrated(using: str, **kwargs: Any) -> None:
    if using == conf.get("DATABASE"):
        _notify_after_commit(notifications.access(notifications.ALL_CHANGED), using)


def tell_of_deletion(store: type[SessionBase]) -> None:
    """Make a session store notify of each session that it deletes."""
    delete, adelete = store.delete, store.adelete

    @wraps(delete)
    def telling_delete(self: SessionBase, session_key: str | None = None) -> None:
        deleted = session_key or self.session_key
        delete(self, session_key)
        if deleted:
            end_credential(deleted)

    @wraps(adelete)
    async def telling_adelete(self: SessionBase, session_key: str | None = None) -> None:
        deleted = session_key or self.session_key
        await adelete(self, session_key)
        if deleted:
            await sync_to_async(end_credential)(deleted)

    for name, method in (("delete", telling_delete), ("adelete", telling_adelete)):
        setattr(store, name, method)


def _notify_after_commit(payload: str, using: str | None = None) -> None:
    """using: the database whose open transaction it waits for; the log's own if None."""
    database = conf.get("DATABASE")

    def send() -> None:
        with connections[database].cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [notifications.ACCESS_CHANNEL, payload])

    try:
        # robust: the logout is done, even if the notification fails.
        transaction.on_commit(send, using=using or database, robust=True)
    except DatabaseError as error:
        # Sessions in a cache can end while the database is away. The monitors check periodically.
        logger.warning("Could not notify the open streams that an access has ended: %s", error)
