"""Publishing: events are written with the change they tell of."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

from asgiref.sync import sync_to_async
from django.core.serializers.json import DjangoJSONEncoder
from django.db import ProgrammingError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import UndefinedTable

from .. import conf, tracing
from ..counts import counts
from ..exceptions import InvalidEvent, NotMigrated
from . import wire
from .models import EventFields
from .pending_notifications import notify_after_commit
from .topics import topics_of

DEFAULT_STREAM = "default"
LONGEST_NAME = 100

# Up to so many events are bound one by one: to bind lists takes psycopg as long as PostgreSQL takes
# to write a row.
FEW = 8
WRITE_FEW = "INSERT INTO realtime_outbox ({columns}) VALUES {rows}"
WRITE_MANY = """
    INSERT INTO realtime_outbox (stream, trace_parent, type, topic, format, data, key)
    SELECT %(stream)s, %(trace_parent)s, type, topic, format, data, key
    FROM unnest(
        %(types)s::text[], %(topics)s::text[], %(formats)s::text[], %(datas)s::text[],
        %(keys)s::text[]
    ) WITH ORDINALITY AS event (type, topic, format, data, key, number)
    ORDER BY number
"""
JSON = DjangoJSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

NO_TABLES = (
    "The tables of the event log are not in the database {database!r} yet: run "
    "`manage.py migrate --database={database}`. A migration that "
    'publishes has to come after theirs: dependencies = [("realtime", "__first__"), …].'
)


class _Nothing:
    """The default of `data`. None can't be the default: it is JSON's null."""

    def __repr__(self) -> str:
        return "<nothing>"


NOTHING: Any = _Nothing()


class Message(NamedTuple):
    """One event for `publish_many()`; its fields are as the arguments of `publish()`."""

    to: Any
    data: Any = NOTHING
    text: str | None = None
    html: str | None = None
    latest: str | None = None
    # None: the type that `publish_many()` was given.
    type: str | None = None


class _Row(NamedTuple):
    type: str
    topic: str
    data: str
    format: str
    key: str


# The fields without a default in the table. Most events have the defaults of the others, which then
# need not be bound: JSON, no key, no trace.
ALWAYS_GIVEN: tuple[str, ...] = _Row._fields[:3]


def publish(
    *,
    to: Any,
    type: str | None = None,
    data: Any = NOTHING,
    text: str | None = None,
    html: str | None = None,
    stream: str = DEFAULT_STREAM,
    latest: str | None = None,
    using: str | None = None,
) -> None:
    """Publish one event, in the transaction that is open now.

    The event and the other writes of that transaction commit together or not at all. To make a save
    and its event one unit, wrap both in `transaction.atomic()`.

    to: who or what it concerns: a saved model instance, a `Topic`, or `PUBLIC`. Several of them in
        a queryset, list, tuple or set get one event each.
    type: the event's name in the browser (`addEventListener(type, …)`), 1 to 100 characters
        without line breaks; None: an unnamed event (`onmessage`).
    data: anything that `DjangoJSONEncoder` takes (decimals and dates become strings), sent as JSON.
    text, html: give either instead of data; it is sent unchanged, on as many lines as it has.
    stream: a name of `REALTIME["STREAMS"]`.
    latest: a key, 1 to 100 characters: of the events of this topic with the same key only the
        newest is kept and sent.
    using: another alias of the stream's database than the one that REALTIME names, such as an alias
        for migrations that bypasses PgBouncer.

    Raises InvalidEvent, before anything is written, if the event can't be sent over the wire or no
    process would read it from that database; its subclass InvalidTopic if `to` is no topic;
    NotMigrated if the tables of the log don't exist yet.
    """
    publish_many([Message(to, data, text, html, latest)], type=type, stream=stream, using=using)


def publish_many(
    messages: Iterable[Message],
    *,
    type: str | None = None,
    stream: str = DEFAULT_STREAM,
    using: str | None = None,
) -> None:
    """Publish several events of one stream in one statement. They keep their order.

    messages: the events; each field means the same as that argument of `publish()`.
    type: the type of events whose message has none.
    stream, using: as for `publish()`.

    Raises what `publish()` raises; then none of the events is written.
    """
    check_stream(stream)
    check_type(type)
    rows = [row for message in messages for row in _rows(message, type)]
    if not rows:
        return
    connection = connection_of(stream, using)
    with tracing.publishing(stream, rows[0].type or None, len(rows)) as trace_parent:
        _write(connection, *_statement(stream, trace_parent, rows))
    counts.published[stream] += len(rows)
    notify_after_commit(connection, stream)


def _write(connection: BaseDatabaseWrapper, statement: str, parameters: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        try:
            cursor.execute(statement, parameters)
        except ProgrammingError as error:
            if isinstance(error.__cause__, UndefinedTable):
                raise NotMigrated(NO_TABLES.format(database=connection.alias)) from error
            raise


async def apublish(**arguments: Any) -> None:
    """`publish()` for coroutines. It runs on the thread that Django's async ORM uses, and so in the
    same transaction. Takes the same arguments, and raises the same errors.
    """
    await sync_to_async(publish)(**arguments)


def connection_of(stream: str, using: str | None) -> BaseDatabaseWrapper:
    """The connection to a stream's database.

    using: another alias of that database; None: the alias that REALTIME names.

    Raises InvalidEvent if `using` leads to another database: no process numbers events there.
    """
    home = conf.database_of(stream)
    if using is None or using == home:
        return connections[home]
    if not _leads_to(connections[using], home):
        raise InvalidEvent(
            f"The stream {stream!r} lives in the database {home!r}, and using={using!r} leads to "
            f"another one, where no process reads its events. Leave `using` out, or publish to a "
            f"stream of {using!r}: REALTIME['STREAMS'] says which stream is in which database."
        )
    return connections[using]


def _leads_to(connection: BaseDatabaseWrapper, home: str) -> bool:
    """Whether a connection leads to the database of the alias `home`, or to its LISTEN_URL."""
    of_home = connections[home].settings_dict
    ways = [(of_home.get("HOST"), of_home.get("PORT"), of_home["NAME"])]
    if url := conf.listen_url(home):
        parts = conninfo_to_dict(url)
        ways.append((parts.get("host"), parts.get("port"), parts.get("dbname")))
    given = connection.settings_dict
    way = (given.get("HOST"), given.get("PORT"), given["NAME"])
    return _with_defaults(way) in map(_with_defaults, ways)


def _with_defaults(way: tuple[Any, Any, Any]) -> tuple[str, int, str]:
    host, port, name = way
    return host or "", int(port or 5432), name or ""


def check_stream(name: str) -> None:
    """Raises InvalidEvent unless it is the name of a stream."""
    _check_name("stream", name)
    if not conf.has_stream(name):
        known = ", ".join(map(repr, conf.streams()))
        raise InvalidEvent(f"There is no stream {name!r}: REALTIME['STREAMS'] names {known}.")


def _rows(message: Message, type: str | None) -> list[_Row]:
    if not isinstance(message, Message):
        raise InvalidEvent(f"{message!r} is no realtime.Message(to, data=…).")
    topics = topics_of(message.to)
    format, data = _encoded(message)
    if message.latest is not None:
        _check_name("latest", message.latest)
    if message.type is not None:
        check_type(message.type)
        type = message.type
    return [_Row(type or "", topic, data, format, message.latest or "") for topic in topics]


def _statement(stream: str, trace_parent: str, rows: Sequence[_Row]) -> tuple[str, dict[str, Any]]:
    """The statement that writes these rows, and its parameters."""
    parameters: dict[str, Any] = {"stream": stream}
    if len(rows) > FEW:
        parameters["trace_parent"] = trace_parent
        for field, column in zip(_Row._fields, zip(*rows, strict=True), strict=True):
            parameters[f"{field}s"] = list(column)
        return WRITE_MANY, parameters
    fields = ALWAYS_GIVEN
    if trace_parent or any(row.key or row.format != EventFields.Format.JSON for row in rows):
        fields = _Row._fields
        parameters["trace_parent"] = trace_parent
    for number, row in enumerate(rows):
        for field, value in zip(fields, row, strict=False):
            parameters[f"{field}{number}"] = value
    return _write_few(len(rows), fields), parameters


@cache
def _write_few(count: int, fields: tuple[str, ...]) -> str:
    of_all = ("stream",) if fields is ALWAYS_GIVEN else ("stream", "trace_parent")
    rows = (
        ", ".join([f"%({name})s" for name in of_all] + [f"%({field}{number})s" for field in fields])
        for number in range(count)
    )
    return WRITE_FEW.format(
        columns=", ".join(of_all + fields), rows=", ".join(f"({row})" for row in rows)
    )


def check_type(type: str | None) -> None:
    """Raises InvalidEvent unless events can have this type."""
    if type is None:
        return
    _check_name("type", type)
    if type in wire.OWN_TYPES:
        raise InvalidEvent(f"type={type!r} is what a stream itself says: choose another name.")
    if type == "message":
        raise InvalidEvent("type='message' is what an unnamed event is to a browser: type=None.")


def _check_name(field: str, value: str) -> None:
    is_name = isinstance(value, str) and 1 <= len(value) <= LONGEST_NAME and wire.is_line(value)
    if not is_name:
        raise InvalidEvent(
            f"{field}={value!r} can't be sent: it has to be 1 to {LONGEST_NAME} characters of text "
            "without line breaks, NUL or lone surrogates."
        )


def _encoded(message: Message) -> tuple[str, str]:
    """The format and the text of a message's data. Raises InvalidEvent."""
    given = [message.data is not NOTHING, message.text is not None, message.html is not None]
    if sum(given) != 1:
        raise InvalidEvent("An event carries one of data=…, text=… and html=….")
    if message.data is not NOTHING:
        format, data = EventFields.Format.JSON, encode_json(message.data)
    else:
        text = message.html if message.text is None else message.text
        format, data = EventFields.Format.TEXT, encode_text(text)
    longest = conf.get("MAX_EVENT_BYTES")
    # A character has four bytes at most, so short data need not be encoded to be measured.
    if len(data) * 4 > longest and (size := len(data.encode())) > longest:
        raise InvalidEvent(
            f"This event has {size:,} bytes, and REALTIME['MAX_EVENT_BYTES'] is {longest:,}: send "
            "where to fetch it instead."
        )
    return format.value, data


def encode_json(data: Any) -> str:
    """The JSON text of an event's data, on one line. Raises InvalidEvent."""
    try:
        text = JSON.encode(data)
        text.encode()
    # UnicodeEncodeError is a ValueError.
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidEvent(f"This data can't be sent as JSON: {error}") from error
    return text


def encode_text(text: str | None) -> str:
    """The text with all line ends as LF: a CR would end a line on the wire as well.

    Raises InvalidEvent.
    """
    if not isinstance(text, str):
        raise InvalidEvent(
            f"text=… and html=… have to be text, and this is {text.__class__.__name__}."
        )
    lines = str(text).replace("\r\n", "\n").replace("\r", "\n")
    if not wire.is_line(lines.replace("\n", " ")):
        raise InvalidEvent("This text can't be sent: it holds a NUL or a lone surrogate.")
    return lines
