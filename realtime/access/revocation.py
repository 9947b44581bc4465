"""Revocation: what ends somebody's access is notified, so that the access monitors look at once.

Django tells of most of it by signals, but not of the end of a session: `user_logged_out` comes
before it, and not with every `flush()`; and a receiver of the session model's `post_delete` would
have `clearsessions` load all expired sessions into memory, where it now takes one statement. But
whatever ends a session before its time goes through its store's `delete()`, in every backend.
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
    """Close the streams that were opened with this session key or token, in every process."""
    _notify_after_commit(notifications.access(notifications.CREDENTIAL_ENDED, digest(secret)))


def end_streams(user: str) -> None:
    """Close the streams of a user, by key, in every process. Whoever still may opens them again."""
    _notify_after_commit(notifications.access(notifications.USER_ENDED, signed(user)))


def recheck(*subjects: Any) -> None:
    """Look again, in every process, at who may follow what, once this transaction has committed.

    For what a view's `topics()` goes by and nobody else knows of: after somebody has left a team,
    after a document was hidden.

    subjects: users, whose streams are looked at; other topics, whose followers are. None at all:
        every stream whose view has a `topics()` of its own.

    Raises InvalidTopic.
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
    """Look again at users who are added to a many-to-many field, or taken from it.

        realtime.recheck_when_changed(Team.members)     # in AppConfig.ready()

    members: the field, as an attribute of its model. If that has a model of its own between
        (`through=Membership`), whatever saves or deletes one of those counts too.
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
        _recheck(using=using)  # all were taken away at once: nobody says who they were
    else:
        _recheck([Topic(user_model._meta.label_lower, pk) for pk in pk_set], using)


def _on_membership_saved(instance: Any, created: bool, using: str, **kwargs: Any) -> None:
    # What is changed may have been somebody else's before.
    _recheck(_users_of(instance) if created else (), using)


def _on_membership_deleted(instance: Any, using: str, **kwargs: Any) -> None:
    _recheck(_users_of(instance), using)


def _users_of(membership: Any) -> list[Topic]:
    """Those whom a row between two models names; none: it can't be told, so all are meant."""
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
    """The primary key of a user, as a grant has it, though they may be of a subclass."""
    key: Any = get_user_model()._meta.pk
    return str(key.to_python(getattr(user, key.attname)))


def connect() -> None:
    """Have Django tell of what ends an access. For `ready()`."""
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
    # What `flush` sends as well, which deletes all users without any other signal.
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
    # Each login saves this one field, and takes nothing from anybody.
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
    """Have a session store tell of each session that it deletes."""
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
        # robust: whoever logs out has logged out, even if nobody could be told.
        transaction.on_commit(send, using=using or database, robust=True)
    except DatabaseError as error:
        # Sessions in a cache end while the database is away, too. The monitors will look.
        logger.warning("Could not tell the open streams that an access has ended: %s", error)
