"""Publishing: an event is written with the change it tells of, and hinted at after the commit."""

import json
import time
from collections.abc import Iterable
from math import inf
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connections, router, transaction

from ..exceptions import InvalidEvent
from . import wire
from .models import OutboxEvent
from .notifications import PENDING_CHANNEL
from .polling_lease import LEASE_SECONDS

# Returns for how many more seconds somebody watches the outbox for events of this stream, see
# watches.py: nothing, or less than 0, if nobody does. In the statement that writes, for each
# checkout waits for it. Not as a function, which each new connection would have to compile.
WRITE = """
    WITH written AS (
        INSERT INTO realtime_outbox (stream, recipient, type, data) {events}
    )
    SELECT extract(epoch FROM until - clock_timestamp())::float
    FROM realtime_watch
    WHERE stream = %(stream)s
"""
WRITE_EVENT = WRITE.format(events="VALUES (%(stream)s, %(recipient)s, %(type)s, %(data)s)")
# Of several: binding lists takes psycopg as long as writing one row takes PostgreSQL.
WRITE_EVENTS = WRITE.format(
    events="""
        SELECT %(stream)s, recipient, %(type)s, data
        FROM unnest(%(recipients)s::text[], %(datas)s::text[])
            WITH ORDINALITY AS event (recipient, data, number)
        ORDER BY number
    """
)


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
    """Publish several events of one stream, in their order: as `publish()`, in one statement."""
    _check_name("stream", stream)
    type = stream if type is None else type
    _check_name("type", type)
    if type in wire.OWN_TYPES:
        raise InvalidEvent(f"type={type!r} is what a stream itself says: choose another name.")
    rows = [(recipient_key(who), encode(data)) for who, data in messages]
    if not rows:
        return
    connection = connections[using or router.db_for_write(OutboxEvent)]
    asked = time.monotonic()
    with connection.cursor() as cursor:
        parameters = {"stream": stream, "type": type}
        if len(rows) == 1:
            [(recipient, data)] = rows
            cursor.execute(WRITE_EVENT, {**parameters, "recipient": recipient, "data": data})
        else:
            recipients, datas = map(list, zip(*rows, strict=True))
            cursor.execute(WRITE_EVENTS, {**parameters, "recipients": recipients, "datas": datas})
        watch = cursor.fetchone()
    watched_seconds = None if watch is None else watch[0]
    # Much longer than a watch? Then a clock was set back, and that is not to be relied on.
    is_watched = watched_seconds is not None and watched_seconds <= LEASE_SECONDS
    _hint_after_commit(
        connection, stream, watched_until=asked + watched_seconds if is_watched else asked
    )


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


# Streams written by the transaction that each connection has open, and until when each is watched,
# by our clock. After a rollback a name may stay behind: it costs one needless hint after the next
# commit, and nothing else.
_streams_to_hint: WeakKeyDictionary[Any, dict[str, float]] = WeakKeyDictionary()


def _hint_after_commit(connection: Any, stream: str, *, watched_until: float) -> None:
    streams = _streams_to_hint.setdefault(connection, {})
    streams[stream] = min(watched_until, streams.get(stream, inf))
    # After the commit, never inside: a NOTIFY in a transaction that wrote holds one lock for the
    # whole cluster until that commit is on disk, and makes checkouts queue for one another.
    # robust: the order stands even if the hint fails; the poll will find its event.
    transaction.on_commit(lambda: _send_hints(connection), using=connection.alias, robust=True)


def _send_hints(connection: Any) -> None:
    committed = time.monotonic()
    streams = [
        stream
        for stream, watched_until in _streams_to_hint.pop(connection, {}).items()
        if watched_until < committed  # else the last look of that watch will find the event
    ]
    if not streams:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_notify(%s, stream) FROM unnest(%s::text[]) AS stream",
            [PENDING_CHANNEL, sorted(streams)],
        )
