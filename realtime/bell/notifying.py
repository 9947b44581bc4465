"""Notifying users: one event each, in the transaction that is open now."""

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
    """One user's notification for `notify_many()`; its fields are the arguments of `notify()`."""

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
    """Notify users, in the transaction that is open now: both commit, or neither does.

    users: a user, or a queryset, list, tuple or set of users. For a user that you haven't loaded,
        use `realtime.Topic("auth.user", key)`.
    kind: the name of a registered kind. Users who have turned this kind off aren't notified.
    subject: a saved model instance, or a `realtime.Topic`. All notifications of a user about one
        subject are one row of their inbox.
    title: the subject's name in that row; None: `str(subject)`.
    url: the link of the row; None: `subject.get_absolute_url()`, or no link without that method.
    using: the alias of the database in which the transaction is open.
    context: JSON-serialisable values for the kind's sentence and template.

    Raises InvalidKind, InvalidTopic or InvalidEvent, before anything is written.
    """
    data = _data(kind, subject, title, url, context)
    realtime.publish(to=users, type=NOTIFICATION, data=data, stream=STREAM, using=using)


def notify_many(notices: Iterable[Notice], *, using: str | None = None) -> None:
    """Notify each user of something of their own, in one statement.

    notices: the notifications. using: as for `notify()`. Raises what `notify()` raises.
    """
    realtime.publish_many([message(notice) for notice in notices], stream=STREAM, using=using)


def message(notice: Notice) -> realtime.Message:
    """The message of a notice, for a `realtime.publish_many()` of your own.

    With it you can write another event and its notification in one statement:

        publish_many([Message(user, data, type="orders"), message(Notice(user, …))])

    Raises what `notify()` raises.
    """
    data = _data(notice.kind, notice.subject, notice.title, notice.url, notice.context or {})
    return realtime.Message(notice.user, data=data, type=NOTIFICATION)


def forget(users: Any, subject: Any, *, using: str | None = None) -> None:
    """Remove all notifications about a subject from these users' bells, because it is gone.

    users, subject, using: as for `notify()`. A receiver of `post_delete` may call this: there the
        instance still has its primary key. Raises what `notify()` raises.
    """
    realtime.publish_many([forget_message(users, subject)], stream=STREAM, using=using)


def forget_message(users: Any, subject: Any) -> realtime.Message:
    """The message of `forget()`, for a `realtime.publish_many()` of your own."""
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
