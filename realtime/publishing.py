"""Publishing: an event is written with the change it tells of, and hinted at after the commit."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connections, router, transaction

from . import wire
from .exceptions import InvalidEvent
from .hints import PENDING_CHANNEL
from .models import OutboxEvent

BATCH_ROWS = 1000


class Message(NamedTuple):
    """One event for `publish_many()`: who gets it, and its JSON-serialisable data."""

    recipient: Any
    data: Any


def publish(
    *, stream: str, recipient: Any, data: Any, type: str | None = None, using: str | None = None
) -> None:
    """Publish one event, in the transaction that is open now.

    The event is written with whatever else that transaction writes: both commit or neither does.
    To make that one unit of a save and its event, wrap both in `transaction.atomic()`.

    stream: the stream's name, 1 to 100 characters without line breaks.
    recipient: a user (or a primary key); only that user's streams get the event, and those of
        whoever may read the whole stream. None: only the latter.
    data: anything `DjangoJSONEncoder` takes (decimals and dates become strings).
    type: the event's name in the browser (`addEventListener(type, …)`); the stream's name if None.
    using: the database alias; the one models of this app are written to if None.

    Raises InvalidEvent, before anything is written, for what can't be sent over the wire.
    """
    publish_many([Message(recipient, data)], stream=stream, type=type, using=using)


def publish_many(
    messages: Iterable[Message], *, stream: str, type: str | None = None, using: str | None = None
) -> None:
    """Publish several events of one stream, in their order: as `publish()`, in few statements."""
    _check_name("stream", stream)
    type = stream if type is None else type
    _check_name("type", type)
    if type in wire.OWN_TYPES:
        raise InvalidEvent(f"type={type!r} is what a stream itself says: choose another name.")
    rows = [
        OutboxEvent(stream=stream, recipient=recipient_key(who), type=type, data=encode(data))
        for who, data in messages
    ]
    if not rows:
        return
    using = using or router.db_for_write(OutboxEvent)
    OutboxEvent.objects.using(using).bulk_create(rows, batch_size=BATCH_ROWS)
    _hint_after_commit(stream, using)


def recipient_key(recipient: Any) -> str:
    """The text that stands for a recipient in the log: the primary key of a user, or as given."""
    if recipient is None:
        return ""
    key = str(getattr(recipient, "pk", recipient))
    if not key or key == "None":
        raise InvalidEvent(f"The recipient {recipient!r} has no primary key yet: save it first.")
    _check_name("recipient", key)
    return key


def _check_name(field: str, value: str) -> None:
    if not isinstance(value, str) or not 1 <= len(value) <= 100 or not wire.is_line(value):
        raise InvalidEvent(
            f"{field}={value!r} can't be sent: it has to be 1 to 100 characters of text "
            "without line breaks, NUL or lone surrogates."
        )


def encode(data: Any) -> str:
    """The JSON text of an event's data, on one line. Raises InvalidEvent."""
    try:
        text = json.dumps(
            data,
            cls=DjangoJSONEncoder,
            ensure_ascii=False,
            allow_nan=False,
            separators=(",", ":"),
        )
        text.encode()
    except (TypeError, ValueError) as error:  # UnicodeEncodeError is a ValueError
        raise InvalidEvent(f"This data can't be sent as JSON: {error}") from error
    return text


# Streams written by the transaction that each connection has open. After a rollback a name may
# stay behind: it costs one needless hint after the next commit, and nothing else.
_streams_to_hint: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()


def _hint_after_commit(stream: str, using: str) -> None:
    connection = connections[using]
    _streams_to_hint.setdefault(connection, set()).add(stream)
    # After the commit, never inside: a NOTIFY in a transaction that wrote holds one lock for the
    # whole cluster until that commit is on disk, and makes checkouts queue for one another.
    # robust: the order stands even if the hint fails; the poll will find its event.
    transaction.on_commit(lambda: _send_hints(connection), using=using, robust=True)


def _send_hints(connection: Any) -> None:
    streams = _streams_to_hint.pop(connection, None)
    if not streams:
        return  # an earlier callback of this commit sent them all
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_notify(%s, stream) FROM unnest(%s::text[]) AS stream",
            [PENDING_CHANNEL, sorted(streams)],
        )
