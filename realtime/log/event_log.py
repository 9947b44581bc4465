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

# The isolation level is given because number_events.sql needs it, whatever the project's default.
# The notification of other processes is the last statement of the same round trip. It follows the
# commit: with a NOTIFY inside, PostgreSQL would let only one transaction commit at a time. A
# session variable hands it its payload, which is that of notifications.published().
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
REPLAY_EVERYTHING = load("replay", batch="replay_everything")
REPLAY_SELECTION = load("replay", batch="replay_selection")
REPLAY_TOPICS = load("replay", batch="replay_topics")
PRUNED_KINDS = load("pruned_kinds")
STREAMS_BEHIND = load("streams_behind")
OLDEST_WAITING = load("oldest_waiting")

# Bounded, so that an import of a million orders does not hold a stream's lock for minutes. A full
# batch begins a lease, and the polls of that lease find the rest.
NUMBER_ROWS = 1000
# The most that one query reads into memory, unless a single event is larger.
READ_ROWS = 1000
READ_BYTES = 4 * 1024 * 1024
REPLAY_ROWS = 500
# How many streams that a process doesn't follow one poll reports to it.
OTHER_STREAMS = 500

Rows = list[tuple[Any, ...]]


@dataclass(slots=True, eq=False)
class RecentEvent:
    """An event as it is kept in memory.

    chunk: the bytes for its clients, encoded once for all of them; empty: a newer event with the
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

    mark: the mark of the event before them; None: that event isn't in the log.
    is_all: there were no more.
    age_seconds: the time since the oldest row was inserted, by the database's clock.
    read_at: when the process had them, by perf_counter().
    traces: the events that were published within a trace, see tracing.py.
    """

    mark: int | None
    events: list[RecentEvent]
    is_all: bool
    age_seconds: float
    read_at: float
    traces: list[Traced]


class StreamState(NamedTuple):
    """last: the newest event. pruned: the table has lost the events up to this one."""

    last: Cursor
    pruned: Cursor


class Numbered(NamedTuple):
    """The result of numbering the waiting events of a stream.

    moved: how many got their position; None: another session is numbering this stream.
    replaced: how many were replaced by a newer event with their key before they got a position, or
        within some milliseconds after that.
    last: the stream's newest event.
    waited_seconds: how long the oldest of those moved had waited since its row was inserted.
    leased: the caller has to poll the stream from now on, see polling_lease.py.
    more: the batch was full, so more events may be waiting.
    read: the numbered events; None: the caller didn't ask for them.
    """

    moved: int | None
    waited_seconds: float
    replaced: int
    last: Cursor
    leased: bool
    more: bool
    read: Batch | None


class Replay(NamedTuple):
    """A batch of the events that a client missed.

    cursor: up to here the client misses nothing once it has the batch.
    is_pruned: the table has lost events after the client's cursor.
    is_other_history: the log doesn't have the event that the client's cursor names.
    is_whole: the log has the event at the end of the requested range. Then it has all events before
        it, too, because positions are given in order.
    """

    chunk: bytes
    cursor: Cursor
    is_pruned: bool
    is_other_history: bool
    is_whole: bool


class Missed(NamedTuple):
    """The events that one client has missed: those after one cursor, up to another."""

    stream: str
    topics: Topics
    after: Cursor
    through: Cursor

    @property
    def query(self) -> tuple[str, dict[str, Any]]:
        """The statement that reads a batch of them at most, and its parameters."""
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
        """The replay that the query's rows stand for."""
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
    """The queries of a server process to the event log. Each method is given a connection.

    query_seconds: how long the database may take to answer. If it can't be reached or takes longer,
        a method raises one of CONNECTION_ERRORS.
    """

    def __init__(self, query_seconds: float) -> None:
        # When the database last answered, by the clock of the event loop; None: it hasn't yet.
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
        """Number the waiting events of a stream, a batch at most, and notify all processes.

        busy_rows: this many events or more in one batch begin a lease, see polling_lease.py.
        read_after: in the same round trip, read the events after this position.
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
        """Set aside and log the events that keep a stream from being numbered.

        Returns whether there were any. Called after `number()` has failed; see dead_letters.py.
        """
        parameters = {"stream": stream, "number_rows": NUMBER_ROWS}
        rows = await self._query(connection, dead_letters.SET_ASIDE, parameters)
        dead_letters.report(stream, rows)
        return bool(rows)

    async def state(self, connection: psycopg.AsyncConnection, stream: str) -> StreamState:
        """The last event of a stream, and the last one that was pruned."""
        rows = await self._query(connection, STREAM_STATE, {"stream": stream})
        if not rows:
            return StreamState(START, START)
        [(position, mark, pruned_through, pruned_mark)] = rows
        return StreamState(Cursor(position, mark), Cursor(pruned_through, pruned_mark))

    async def read(self, connection: psycopg.AsyncConnection, stream: str, after: int) -> Batch:
        """The events of all topics after a position, and the mark of the event at it."""
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
        """The events of these topics after one cursor and up to another, a batch at most."""
        missed = Missed(stream, topics, after, through)
        return missed.replay(await self._query(connection, *missed.query))

    async def replays(
        self, connection: psycopg.AsyncConnection, several: Sequence[Missed]
    ) -> list[Replay]:
        """Replays for several clients in one round trip: a query's cost is mostly waiting."""
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
            await asyncio.sleep(0)  # each may encode hundreds of events: let other tasks run
        return replays

    async def has_pruned_kinds(
        self, connection: psycopg.AsyncConnection, stream: str, topics: Topics, after: Cursor
    ) -> bool:
        """Whether pruning has emptied events after a cursor, of kinds that these topics belong to.

        See retention.py.

        Call it after the events were read: then it also reports those emptied during the read.
        """
        is_of_all = topics is EVERYTHING or isinstance(topics, Selection)
        kinds = None if is_of_all else [kind_of(topic) for topic in named(topics)]
        parameters = {"stream": stream, "kinds": kinds, "after": after.position}
        [(is_pruned,)] = await self._query(connection, PRUNED_KINDS, parameters)
        return bool(is_pruned)

    async def streams_behind(
        self, connection: psycopg.AsyncConnection, followed: Mapping[str, int]
    ) -> Rows:
        """The state of the followed streams, and of OTHER_STREAMS others at most that have waiting
        events.

        followed: each stream's name, and the position up to which this process has read it.

        Returns rows of (name, last position, mark of the event at the position read, whether events
        wait for their number).
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
        """Run several statements in one round trip; returns the rows of each that returns rows.

        The cursor binds parameters on the client's side: with server-side binding the protocol
        takes only one statement. https://www.psycopg.org/psycopg3/docs/advanced/cursors.html#client-side-binding-cursors
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
    """The bytes of an event; empty for an event that would break the framing of the stream.

    The table's constraints refuse such events, but somebody may have dropped the constraints.
    """
    if data is None or wire.is_sendable(type, data):
        return wire.event(cursor, type, data)
    _report_unsendable(stream, cursor.position)
    return b""


@lru_cache(maxsize=1000)
def _report_unsendable(stream: str, position: int) -> None:
    """Log it once, however many clients read the event."""
    logger.error(
        "Nobody is told of the event at position %d of the stream %r: its type or data can't be "
        "sent. Were the constraints of realtime_event dropped?",
        position,
        stream,
    )


def _batch(stream: str, rows: Rows, after: int) -> Batch:
    """The batch that READ_TAIL's rows stand for."""
    own_mark = rows[0][2] if rows and rows[0][1] == after else None
    events: list[RecentEvent] = []
    traces: list[Traced] = []
    age_seconds = 0.0
    for _, position, mark, topic, type, data, key, age, trace_parent in rows:
        if position > after:
            cursor = Cursor(position, mark)
            chunk = _chunk(stream, cursor, type, data)
            # Interned: a stream has few types, and each row would keep a string of its own.
            events.append(RecentEvent(cursor, topic, chunk, key, sys.intern(type)))
            age_seconds = max(age_seconds, age)
            if trace_parent:
                traces.append(Traced(trace_parent, position, topic, type, age))
    is_all = _is_all(rows, READ_ROWS + 1)
    return Batch(own_mark, events, is_all, age_seconds, perf_counter(), traces)


def _is_all(rows: Rows, limit: int) -> bool:
    """Whether a batch is all there is: it reached neither the limit of rows nor that of bytes."""
    return not rows or len(rows) == rows[0][0] < limit
