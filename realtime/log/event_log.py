"""The event log in PostgreSQL, as a server process numbers, follows and replays it."""

import asyncio
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter
from typing import Any, NamedTuple

import psycopg

from ..postgres.deadlines import deadline
from ..tracing import Traced
from . import dead_letters, wire
from .cursor import START, Cursor
from .notifications import PUBLISHED_CHANNEL
from .polling_lease import BUSY_ROWS, LEASE_SECONDS
from .sql import load
from .topics import EVERYTHING, Selection, Topics, kind_of, named
from .wire import CHUNK_BYTES

logger = logging.getLogger("realtime")

# At this isolation level, see the head of its file, whatever the project's default is.
# The hint to the other processes comes along, instead of in a round trip of its own for each event.
# It is a statement of its own, after the commit, see publishing.py, so what has been published
# gets there by a variable of the session. Its payload is that of notifications.published().
NUMBER_EVENTS = """
    BEGIN ISOLATION LEVEL READ COMMITTED;
    SELECT
        taken, moved, replaced, last_position, last_mark, leased, waited_seconds,
        set_config('realtime.published', CASE
            WHEN moved > 0 THEN last_position || '-' || to_hex(last_mark) || ' ' || %(stream)s
            ELSE ''
        END, false)
    FROM realtime_number_events(
        %(stream)s, %(number_rows)s, %(busy_rows)s, make_interval(secs => %(lease_seconds)s)
    );
    COMMIT;
    SELECT pg_notify(%(channel)s, current_setting('realtime.published'))
    WHERE current_setting('realtime.published') <> ''
"""
STREAM_STATE = load("stream_state")
READ_TAIL = load("read_tail")
NUMBER_AND_READ = f"{NUMBER_EVENTS};\n{READ_TAIL}"
REPLAY_EVERYTHING = load("replay_everything")
REPLAY_SELECTION = load("replay_selection")
REPLAY_TOPICS = load("replay_topics")
PRUNED_KINDS = load("pruned_kinds")
STREAMS_BEHIND = load("streams_behind")
OLDEST_WAITING = load("oldest_waiting")

# Bounded, so that an import of a million orders does not hold a stream's lock for minutes. So many
# are the beginning of a lease: its looks find the rest.
NUMBER_ROWS = 1000
# What one query brings into memory at most, unless a single event is larger.
READ_ROWS = 1000
READ_BYTES = 4 * 1024 * 1024
REPLAY_ROWS = 500
# How many streams that a process doesn't follow it hears of at a time.
OTHER_STREAMS = 500

Rows = list[tuple[Any, ...]]


@dataclass(slots=True, eq=False)
class RecentEvent:
    """An event as it is kept in memory.

    chunk: what clients are sent, encoded once for however many; empty: a newer event with the
        same topic and key has replaced this one.
    """

    cursor: Cursor
    topic: str
    chunk: bytes
    key: str = ""
    type: str = ""

    @property
    def position(self) -> int:
        return self.cursor.position


class Batch(NamedTuple):
    """Events of a stream, in order.

    mark: of the event after which they come; None: it isn't in the log.
    is_all: there were no more.
    age_seconds: of the oldest, since its row was inserted, by the database's clock.
    read_at: when they were here, by perf_counter().
    traces: of those that were published within a trace, see tracing.py.
    """

    mark: int | None
    events: list[RecentEvent]
    is_all: bool
    age_seconds: float
    read_at: float
    traces: list[Traced]


class StreamState(NamedTuple):
    """last: the newest event. pruned: events up to this one are gone from the table."""

    last: Cursor
    pruned: Cursor


class Numbered(NamedTuple):
    """What was done about the events of a stream that waited.

    moved: how many have their position now; None: another session is at it.
    replaced: how many were replaced at once by a newer one with their key: before they had one, or
        within some milliseconds of it.
    last: the stream's newest event.
    waited_seconds: of those moved, since the row of the oldest was inserted.
    leased: to poll the stream from now on, see polling_lease.py.
    more: events may be left that wait for their number.
    read: what has its number now; None: it wasn't asked for.
    """

    moved: int | None
    waited_seconds: float
    replaced: int
    last: Cursor
    leased: bool
    more: bool
    read: Batch | None


class Replay(NamedTuple):
    """A batch of what a client missed.

    cursor: nothing for this client lies between the batch and here.
    is_pruned: events after the client's cursor are gone from the table.
    is_other_history: the log hasn't the event that the client's cursor names.
    is_whole: the log has the event up to which was asked, and so all that lies before it.
    """

    chunk: bytes
    cursor: Cursor
    is_pruned: bool
    is_other_history: bool
    is_whole: bool


class Missed(NamedTuple):
    """What one client has missed: what lies after one event up to another."""

    stream: str
    topics: Topics
    after: Cursor
    through: Cursor

    @property
    def query(self) -> tuple[str, dict[str, Any]]:
        """For at most a batch of it: statement and parameters."""
        parameters: dict[str, Any] = {
            "stream": self.stream,
            "after": self.after.position,
            "through": self.through.position,
            "batch_rows": REPLAY_ROWS,
            "batch_bytes": CHUNK_BYTES,
        }
        if self.topics is EVERYTHING:
            return REPLAY_EVERYTHING, parameters
        if isinstance(self.topics, Selection):
            types, topics = list(self.topics.types), list(self.topics.topics)
            return REPLAY_SELECTION, {**parameters, "types": types, "topics": topics}
        return REPLAY_TOPICS, {**parameters, "topics": list(named(self.topics))}

    def replay(self, rows: Rows) -> Replay:
        """Of what the query returns."""
        after, through = self.after, self.through
        if not rows:  # the stream has not had its first event yet
            return Replay(
                b"",
                through,
                is_pruned=False,
                is_other_history=after != START,
                is_whole=through == START,
            )
        _, pruned_through, pruned_mark, own_mark, reached_mark, *_ = rows[0]
        if after.position == pruned_through:
            own_mark = pruned_mark
        events = [
            (Cursor(position, mark), type, data)
            for *_, position, mark, type, data in rows
            if position is not None
        ]
        return Replay(
            chunk=b"".join(_chunk(self.stream, *event) for event in events),
            cursor=through if not events or _is_all(rows, REPLAY_ROWS) else events[-1][0],
            is_pruned=after.position < pruned_through,
            is_other_history=after != START and after.mark != own_mark,
            is_whole=through == START
            or (reached_mark is not None and reached_mark == through.mark),
        )


class EventLog:
    """What a process asks about the event log, over the connection that is given each time.

    query_seconds: how long the database may take to answer. Each method raises one of
        CONNECTION_ERRORS.
    """

    def __init__(self, query_seconds: float) -> None:
        # When the database last answered, by the clock of the event loop; None: never yet.
        self.last_answer: float | None = None
        self._query_seconds = query_seconds

    async def number(
        self,
        connection: psycopg.AsyncConnection,
        stream: str,
        *,
        busy_rows: int = BUSY_ROWS,
        read_after: int | None = None,
    ) -> Numbered:
        """Number what waits in a stream, at most a batch of it, and hint at it to all processes.

        busy_rows: how many at once are the beginning of a lease, see polling_lease.py.
        read_after: read what comes after this position, too, in the same round trip.
        """
        parameters = {
            "stream": stream,
            "number_rows": NUMBER_ROWS,
            "busy_rows": busy_rows,
            "lease_seconds": LEASE_SECONDS,
            "channel": PUBLISHED_CHANNEL,
        }
        if read_after is None:
            [counts], _hint = await self._query_all(connection, NUMBER_EVENTS, parameters)
            read = None
        else:
            parameters |= _read_parameters(stream, read_after)
            [counts], _hint, rows = await self._query_all(connection, NUMBER_AND_READ, parameters)
            read = _batch(stream, rows, read_after)
        taken, moved, replaced, position, mark, leased, waited_seconds, _published = counts
        return Numbered(
            moved=moved,
            waited_seconds=waited_seconds or 0.0,
            replaced=replaced or 0,
            last=Cursor(position or 0, mark),
            leased=bool(leased),
            more=taken == NUMBER_ROWS,
            read=read,
        )

    async def set_aside(self, connection: psycopg.AsyncConnection, stream: str) -> bool:
        """Set aside what keeps a stream from being numbered, and tell the log of it.

        Returns whether there was any. After a failure of `number()`; see dead_letters.py.
        """
        parameters = {"stream": stream, "number_rows": NUMBER_ROWS}
        rows = await self._query(connection, dead_letters.SET_ASIDE, parameters)
        dead_letters.report(stream, rows)
        return bool(rows)

    async def state(self, connection: psycopg.AsyncConnection, stream: str) -> StreamState:
        """How far a stream has come and has been pruned."""
        rows = await self._query(connection, STREAM_STATE, {"stream": stream})
        if not rows:
            return StreamState(START, START)
        [(position, mark, pruned_through, pruned_mark)] = rows
        return StreamState(Cursor(position, mark), Cursor(pruned_through, pruned_mark))

    async def read(self, connection: psycopg.AsyncConnection, stream: str, after: int) -> Batch:
        """What comes after a position, for everybody; and the mark of the event at it."""
        rows = await self._query(connection, READ_TAIL, _read_parameters(stream, after))
        return _batch(stream, rows, after)

    async def replay(
        self,
        connection: psycopg.AsyncConnection,
        stream: str,
        topics: Topics,
        *,
        after: Cursor,
        through: Cursor,
    ) -> Replay:
        """What lies after one event up to another, at most a batch of it."""
        missed = Missed(stream, topics, after, through)
        return missed.replay(await self._query(connection, *missed.query))

    async def replays(
        self, connection: psycopg.AsyncConnection, several: Sequence[Missed]
    ) -> list[Replay]:
        """The same for several clients, in one round trip: most of a query's cost is to wait."""
        if len(several) == 1:
            return [await self.replay(connection, **several[0]._asdict())]
        cursors = [psycopg.AsyncCursor(connection) for _ in several]
        with deadline(self._query_seconds, connection):
            async with connection.pipeline():
                for cursor, missed in zip(cursors, several, strict=True):
                    await cursor.execute(*missed.query)
                answers = [await cursor.fetchall() for cursor in cursors]
        self.last_answer = asyncio.get_running_loop().time()
        replays = []
        for missed, rows in zip(several, answers, strict=True):
            replays.append(missed.replay(rows))
            await asyncio.sleep(0)  # hundreds of events each: others have their turn between them
        return replays

    async def has_pruned_kinds(
        self, connection: psycopg.AsyncConnection, stream: str, topics: Topics, after: Cursor
    ) -> bool:
        """Whether events after a cursor, of the kinds of these topics, were emptied, see
        retention.py.

        To be asked after what is there was read: what is emptied meanwhile shows in the answer.
        """
        is_of_all = topics is EVERYTHING or isinstance(topics, Selection)
        kinds = None if is_of_all else [kind_of(topic) for topic in named(topics)]
        parameters = {"stream": stream, "kinds": kinds, "after": after.position}
        [(is_pruned,)] = await self._query(connection, PRUNED_KINDS, parameters)
        return bool(is_pruned)

    async def streams_behind(
        self, connection: psycopg.AsyncConnection, followed: Mapping[str, int]
    ) -> Rows:
        """(name, last position, mark of the event at the position up to which it is followed,
        whether events wait for their number) of the followed streams, and of others where events
        wait, at most OTHER_STREAMS of them.
        """
        parameters = {
            "followed": list(followed),
            "positions": list(followed.values()),
            "most_others": OTHER_STREAMS,
        }
        return await self._query(connection, STREAMS_BEHIND, parameters)

    async def oldest_waiting(self, connection: psycopg.AsyncConnection) -> float:
        """The age of the oldest event that waits for its number, in seconds; 0 if none does."""
        [(seconds,)] = await self._query(connection, OLDEST_WAITING, {})
        return float(seconds)

    async def _query(
        self,
        connection: psycopg.AsyncConnection,
        statement: str,
        parameters: dict[str, Any],
    ) -> Rows:
        cursor = psycopg.AsyncCursor(connection)
        with deadline(self._query_seconds, connection):
            await cursor.execute(statement, parameters)
            rows = await cursor.fetchall()
        self.last_answer = asyncio.get_running_loop().time()
        return rows

    async def _query_all(
        self, connection: psycopg.AsyncConnection, statements: str, parameters: dict[str, Any]
    ) -> list[Rows]:
        """What each of several statements returns that returns rows, in one round trip.

        By a cursor that binds parameters on the client's side, for the protocol's other way takes
        one statement at a time. https://www.psycopg.org/psycopg3/docs/advanced/cursors.html#client-side-binding-cursors
        """
        cursor, results = psycopg.AsyncClientCursor(connection), []
        with deadline(self._query_seconds, connection):
            await cursor.execute(statements, parameters)
            while True:
                if cursor.description is not None:
                    results.append(await cursor.fetchall())
                if not cursor.nextset():
                    break
        self.last_answer = asyncio.get_running_loop().time()
        return results


def _read_parameters(stream: str, after: int) -> dict[str, Any]:
    return {
        "stream": stream,
        "after": after,
        "batch_rows": READ_ROWS,
        "batch_bytes": READ_BYTES,
    }


def _chunk(stream: str, cursor: Cursor, type: str, data: str | None) -> bytes:
    """The event as it is sent; nothing for one that would break the framing of the stream.

    The table's constraints refuse those. They may have been dropped.
    """
    if data is None or wire.is_sendable(type, data):
        return wire.event(cursor, type, data)
    _report_unsendable(stream, cursor.position)
    return b""


@lru_cache(maxsize=1000)
def _report_unsendable(stream: str, position: int) -> None:
    """Once, however many read it."""
    logger.error(
        "Nobody is told of the event at position %d of the stream %r: its type or data can't be "
        "sent. Were the constraints of realtime_event dropped?",
        position,
        stream,
    )


def _batch(stream: str, rows: Rows, after: int) -> Batch:
    """Of what READ_TAIL returns."""
    own_mark = rows[0][2] if rows and rows[0][1] == after else None
    events: list[RecentEvent] = []
    traces: list[Traced] = []
    age_seconds = 0.0
    for _, position, mark, topic, type, data, key, age, trace_parent in rows:
        if position > after:
            cursor = Cursor(position, mark)
            chunk = _chunk(stream, cursor, type, data)
            # A stream has few types, and each row brings a text of its own.
            events.append(RecentEvent(cursor, topic, chunk, key, sys.intern(type)))
            age_seconds = max(age_seconds, age)
            if trace_parent:
                traces.append(Traced(trace_parent, position, topic, type, age))
    is_all = _is_all(rows, READ_ROWS + 1)
    return Batch(own_mark, events, is_all, age_seconds, perf_counter(), traces)


def _is_all(rows: Rows, limit: int) -> bool:
    """Whether a batch is all there is: neither its rows nor its bytes came to their limit."""
    return not rows or len(rows) == rows[0][0] < limit
