"""The event log in PostgreSQL, as a server process numbers, follows and replays it."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg

from ..postgres.deadlines import deadline
from . import wire
from .notifications import PUBLISHED_CHANNEL, published
from .polling_lease import BUSY_ROWS, LEASE_SECONDS
from .sql import load
from .topics import EVERYTHING, Topics
from .wire import CHUNK_BYTES

# At this isolation level, see the head of its file, whatever the project's default is.
NUMBER_EVENTS = """
    BEGIN ISOLATION LEVEL READ COMMITTED;
    SELECT moved, last_position, leased FROM realtime_number_events(
        %(stream)s, %(number_rows)s, %(busy_rows)s, make_interval(secs => %(lease_seconds)s)
    );
    COMMIT
"""
NOTIFY = "SELECT pg_notify(%(channel)s, %(payload)s)"
POSITION = "SELECT position FROM realtime_stream WHERE name = %(stream)s"
READ_TAIL = load("read_tail")
NUMBER_AND_READ = f"{NUMBER_EVENTS};\n{READ_TAIL}"
REPLAY_EVERYTHING = load("replay_everything")
REPLAY_TOPICS = load("replay_topics")
STREAMS_BEHIND = load("streams_behind")
OLDEST_WAITING = load("oldest_waiting")

# Bounded, so that an import of a million orders does not hold a stream's lock for minutes. So many
# are the beginning of a lease: its looks find the rest.
NUMBER_ROWS = 1000
# What one query brings into memory at most, unless a single event is larger.
READ_ROWS = 1000
READ_BYTES = 4 * 1024 * 1024
REPLAY_ROWS = 500

Rows = list[tuple[Any, ...]]


@dataclass(slots=True, eq=False)
class RecentEvent:
    """An event as it is kept in memory.

    chunk: what clients are sent, encoded once for however many; empty: a newer event with the
        same topic and key has replaced this one.
    """

    position: int
    topic: str
    chunk: bytes
    key: str = ""


class Batch(NamedTuple):
    """Events of a stream, in order. is_all: there were no more."""

    events: list[RecentEvent]
    is_all: bool


class Numbered(NamedTuple):
    """moved: how many events; None: another session is at it. position: the stream's last.

    leased: to poll the stream from now on, see polling_lease.py.
    more: events may be left that wait for their number.
    read: what has its number now; None: it wasn't asked for.
    """

    moved: int | None
    position: int | None
    leased: bool
    more: bool
    read: Batch | None


class Replay(NamedTuple):
    """A batch of what a client missed.

    position: nothing for this client lies between the batch and here.
    pruned_through: events up to here are gone from the table.
    """

    chunk: bytes
    position: int
    pruned_through: int


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
        self, connection: psycopg.AsyncConnection, stream: str, *, read_after: int | None = None
    ) -> Numbered:
        """Number what waits in a stream, at most a batch of it.

        read_after: read what comes after this position, too, in the same round trip.
        """
        parameters = {
            "stream": stream,
            "number_rows": NUMBER_ROWS,
            "busy_rows": BUSY_ROWS,
            "lease_seconds": LEASE_SECONDS,
        }
        if read_after is None:
            [[counts]] = await self._query_all(connection, NUMBER_EVENTS, parameters)
            read = None
        else:
            parameters |= _read_parameters(stream, read_after)
            [counts], rows = await self._query_all(connection, NUMBER_AND_READ, parameters)
            read = _batch(rows)
        moved, position, leased = counts
        return Numbered(moved, position, bool(leased), moved == NUMBER_ROWS, read)

    async def tell_others(
        self, connection: psycopg.AsyncConnection, stream: str, position: int
    ) -> None:
        """Hint to all processes that a stream has come to a position.

        A statement of its own, after the commit of the numbering: see publishing.py.
        """
        hint = {"channel": PUBLISHED_CHANNEL, "payload": published(position, stream)}
        await self._query(connection, NOTIFY, hint)

    async def position(self, connection: psycopg.AsyncConnection, stream: str) -> int:
        """The stream's last position; 0 if it has no events yet."""
        rows = await self._query(connection, POSITION, {"stream": stream})
        return rows[0][0] if rows else 0

    async def read(self, connection: psycopg.AsyncConnection, stream: str, after: int) -> Batch:
        """What comes after a position, for everybody."""
        return _batch(await self._query(connection, READ_TAIL, _read_parameters(stream, after)))

    async def replay(
        self,
        connection: psycopg.AsyncConnection,
        stream: str,
        topics: Topics,
        *,
        after: int,
        through: int,
    ) -> Replay:
        """What lies after one position up to another, at most a batch of it."""
        parameters = {
            "stream": stream,
            "after": after,
            "through": through,
            "batch_rows": REPLAY_ROWS,
            "batch_bytes": CHUNK_BYTES,
        }
        if topics is EVERYTHING:
            statement = REPLAY_EVERYTHING
        else:
            statement = REPLAY_TOPICS
            parameters["topics"] = list(topics)
        rows = await self._query(connection, statement, parameters)
        events = [event for _, _, *event in rows if event[0] is not None]
        return Replay(
            chunk=b"".join(wire.event(*event) for event in events),
            position=through if not events or _is_all(rows, REPLAY_ROWS) else events[-1][0],
            pruned_through=rows[0][1] if rows else 0,
        )

    async def streams_behind(
        self, connection: psycopg.AsyncConnection, followed: Collection[str]
    ) -> list[tuple[str, int, bool]]:
        """(name, last position, whether events wait for their number) of the followed streams,
        and of all others where events wait.
        """
        return await self._query(connection, STREAMS_BEHIND, {"followed": list(followed)})

    async def oldest_waiting(self, connection: psycopg.AsyncConnection) -> float:
        """The age of the oldest event that waits for its number, in seconds; 0 if none does."""
        [(seconds,)] = await self._query(connection, OLDEST_WAITING, {})
        return seconds

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


def _batch(rows: Rows) -> Batch:
    """Of what READ_TAIL returns."""
    events = [
        RecentEvent(position, topic, wire.event(position, type, data), key)
        for _, position, topic, type, data, key in rows
    ]
    return Batch(events, _is_all(rows, READ_ROWS))


def _is_all(rows: Rows, limit: int) -> bool:
    """Whether a batch is all there is: neither its rows nor its bytes came to their limit."""
    return not rows or len(rows) == rows[0][0] < limit
