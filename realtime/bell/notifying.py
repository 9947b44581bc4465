"""Telling users something: one event each, in the transaction that is open now."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.db.models import Model

import realtime

from .kinds import check_known

STREAM = "default"
# The types of the bell's events, all of them in a user's own topic.
NOTIFICATION = "bell.notification"
FORGOTTEN = "bell.forgotten"
CHANGE = "bell.change"

LONGEST_TITLE = 200
LONGEST_URL = 2000


class Notice(NamedTuple):
    """What one user is to be told, for `notify_many()`; its fields are as `notify()` takes them."""

    user: Any
    kind: str
    subject: Any
    title: str | None = None
    url: str | None = None
    context: dict[str, Any] | None = None


def notify(
    users: Any,
    kind: str,
    subject: Any,
    *,
    title: str | None = None,
    url: str | None = None,
    using: str | None = None,
    **context: Any,
) -> None:
    """Tell users of something, in the transaction that is open now: both commit, or neither does.

    users: a user, or a queryset, list, tuple or set of users. A user who need not be loaded is
        `realtime.Topic("auth.user", key)`.
    kind: the name of a registered kind. Those who don't want to be told of it aren't.
    subject: what it is about: a saved model instance, or a `realtime.Topic`. All that a user is
        told of one subject is one row of their inbox.
    title: how the row names the subject; `str(subject)` of an instance if None.
    url: where it leads; `subject.get_absolute_url()` if None, or nowhere if there is none.
    using: the alias of the database that the transaction is open in.
    context: what the kind's sentence and template need; JSON-serialisable.

    Raises InvalidKind, InvalidTopic or InvalidEvent, before anything is written.
    """
    data = _data(kind, subject, title, url, context)
    realtime.publish(to=users, type=NOTIFICATION, data=data, stream=STREAM, using=using)


def notify_many(notices: Iterable[Notice], *, using: str | None = None) -> None:
    """Tell each user something of their own, in one statement. Raises as `notify()` does."""
    realtime.publish_many([message(notice) for notice in notices], stream=STREAM, using=using)


def message(notice: Notice) -> realtime.Message:
    """What `notify_many()` publishes of a notice, for a `realtime.publish_many()` of your own.

    So what else is to be told, and the bell's news of it, are written in one statement:

        publish_many([Message(user, data, type="orders"), message(Notice(user, …))])

    Raises as `notify()` does.
    """
    data = _data(notice.kind, notice.subject, notice.title, notice.url, notice.context or {})
    return realtime.Message(notice.user, data=data, type=NOTIFICATION)


def forget(users: Any, subject: Any, *, using: str | None = None) -> None:
    """Take what these users were told of a subject out of their bells: it exists no longer.

    users, subject, using: as for `notify()`. While a row is deleted it still is its topic, so a
    receiver of `post_delete` may call this.
    """
    realtime.publish_many([forget_message(users, subject)], stream=STREAM, using=using)


def forget_message(users: Any, subject: Any) -> realtime.Message:
    """What `forget()` publishes, for a `realtime.publish_many()` of your own."""
    return realtime.Message(users, data={"subject": realtime.topic_of(subject)}, type=FORGOTTEN)


def _data(
    kind: str, subject: Any, title: str | None, url: str | None, context: dict[str, Any]
) -> dict[str, Any]:
    check_known(kind)
    topic = realtime.topic_of(subject)
    if title is None:
        title = str(subject) if isinstance(subject, Model) else ""
    if url is None:
        find = getattr(subject, "get_absolute_url", None)
        url = find() if find else ""
    return {
        "kind": kind,
        "subject": topic,
        "title": title[:LONGEST_TITLE],
        "url": url[:LONGEST_URL],
        "context": context,
    }
