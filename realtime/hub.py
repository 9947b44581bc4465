"""The hub: the one place of a process that hears of new events and tells its streams.

Four tasks, however many streams are open. `listen` passes on the hints of PostgreSQL. `work`
numbers the events that wait for it, reads what is new into the tails, once for all clients, and
looks by itself every few seconds, so that a lost hint is a delay and never a loss. `heartbeat`
keeps quiet streams open. `guard` closes those whose access has ended.
"""

import asyncio
import random
from collections.abc import Coroutine
from contextvars import Context
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from . import conf, wire
from .database import (
    AWAY,
    KeptConnection,
    Parameters,
    answered_within,
    connection_parameters,
    direct_parameters,
)
from .exceptions import DatabaseAway
from .guard import Guard
from .heartbeat import Heartbeat
from .hints import ACCESS_CHANNEL, PENDING_CHANNEL, PUBLISHED_CHANNEL, parse_published, published
from .listener import Listener
from .open_streams import OpenStreams
from .sql import load
from .tail import CHUNK_BYTES, RecentEvent, Tail
from .watches import BUSY_ROWS, WATCH_SECONDS, Watches

if TYPE_CHECKING:
    from .stream import EventStream

# At this isolation level, see the head of its file, whatever the project's default is. Three
# statements in one round trip, which only a client-side binding cursor takes with parameters.
NUMBER_EVENTS = """
    BEGIN ISOLATION LEVEL READ COMMITTED;
    SELECT moved, last_position, promised FROM realtime_number_events_v2(
        %(stream)s, %(batch_rows)s, %(busy_rows)s, make_interval(secs => %(watch_seconds)s)
    );
    COMMIT
"""
NOTIFY = "SELECT pg_notify(%(channel)s, %(payload)s)"
POSITION = "SELECT position FROM realtime_stream WHERE name = %(stream)s"
READ_TAIL = load("read_tail")
REPLAY = load("replay")
STREAMS_BEHIND = load("streams_behind")
OLDEST_WAITING = load("oldest_waiting")

# Bounded, so that an import of a million orders does not hold a stream's lock for minutes. So many
# are the beginning of a watch: it finds the rest.
NUMBER_ROWS = 1000
# What one query brings into memory at most, unless a single event is larger.
READ_ROWS = 1000
READ_BYTES = 4 * 1024 * 1024
REPLAY_ROWS = 500
# How long the pool may take to end what it is at: it may be connecting to a database that is away.
CLOSE_SECONDS = 1.0

Result = TypeVar("Result")


class Replay(NamedTuple):
    """A batch of what a client missed.

    position: nothing for this client lies between the batch and here.
    pruned_through: events up to here are gone from the table.
    """

    chunk: bytes
    position: int
    pruned_through: int


class State(NamedTuple):
    """How a hub stands with the database.

    away: why the event log can't be reached; None: it can, as far as is known.
    listening_since: None: it hears no hints now, and finds new events by looking only.
    is_deaf: it has begun to listen, and hears nothing.
    seconds_since_answer: how long ago the database last answered a query; None: never yet.
    """

    away: str | None
    listening_since: datetime | None
    is_deaf: bool
    seconds_since_answer: float | None


class Hub:
    """Follows the event log for the streams of one event loop."""

    _hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, "Hub"] = WeakKeyDictionary()

    @classmethod
    def current(cls) -> "Hub":
        """The hub of the running event loop, started if it does not run yet."""
        loop = asyncio.get_running_loop()
        hub = cls._hubs.get(loop)
        if hub is None:
            hub = cls._hubs[loop] = cls()
            hub._start()
        return hub

    @classmethod
    async def close_current(cls) -> None:
        """End the hub of the running event loop, if there is one: its tasks, its connections."""
        hub = cls._hubs.pop(asyncio.get_running_loop(), None)
        if hub is not None:
            await hub._close()

    def __init__(self) -> None:
        self.streams = OpenStreams()
        self._heartbeat = Heartbeat(self.streams, conf.get("HEARTBEAT_SECONDS"))
        self.guard = Guard(
            self.streams, conf.get("ACCESS_CHECK_SECONDS"), conf.get("QUERY_SECONDS")
        )
        # The process is about to end: it takes no new streams.
        self.is_draining = False
        self._database: str = conf.get("DATABASE")
        self._poll_seconds: float = conf.get("POLL_SECONDS")
        self._query_seconds: float = conf.get("QUERY_SECONDS")
        self._tails: dict[str, Tail] = {}
        # What the next turn of `work` has to do.
        self._work_due = asyncio.Event()
        self._poll_due = True
        self._to_number: set[str] = set()
        self._watches = Watches(asyncio.get_running_loop().time)
        self._to_read: set[str] = set()
        self._to_catch_up: dict[str, asyncio.Future[Tail]] = {}
        self._to_measure: asyncio.Future[float] | None = None
        self._last_answer: float | None = None
        self._replay_pool: asyncio.Task[AsyncConnectionPool] | None = None
        self._tasks: list[asyncio.Task[Any]] = []
        self._listener = Listener(
            [PENDING_CHANNEL, PUBLISHED_CHANNEL, ACCESS_CHANNEL],
            hear=self._hear,
            listening=self._catch_up_on_hints,
            sender=self._parameters,
            silence_seconds=self._poll_seconds,
            query_seconds=self._query_seconds,
        )
        self._listening = KeptConnection(
            "listen for new events", self._listen_parameters, self._listener.listen
        )
        self._working = KeptConnection(
            "number and read new events", self._parameters, self._work, refused=self._give_up
        )

    def _start(self) -> None:
        self._run("listen", self._listening.keep())
        self._run("work", self._working.keep())
        self._run("heartbeat", self._heartbeat.run())
        self._run("guard", self.guard.run())

    def _run(self, name: str, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        # In a context of its own: whichever request came first must not live on in ours.
        task = asyncio.get_running_loop().create_task(
            coroutine, name=f"realtime-{name}", context=Context()
        )
        self._tasks.append(task)
        return task

    async def _close(self) -> None:
        pool = self._replay_pool
        if pool is not None and pool.done() and not pool.cancelled() and not pool.exception():
            await pool.result().close(timeout=CLOSE_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for waiting in self._waiting():
            waiting.cancel()

    async def _parameters(self) -> Parameters:
        return await connection_parameters(self._database)

    async def _listen_parameters(self) -> Parameters:
        url = conf.get("LISTEN_URL")
        return direct_parameters(url) if url else await self._parameters()

    # For the streams

    def tail(self, stream: str) -> Tail | None:
        """The tail of a stream, if it is being followed."""
        return self._tails.get(stream)

    def add(self, stream: "EventStream") -> None:
        """The stream is open from now on."""
        self.streams.add(stream)
        self.guard.look_soon(stream)

    def remove(self, stream: "EventStream") -> None:
        self.streams.remove(stream)

    async def catch_up(self, stream: str) -> Tail:
        """The tail of a stream, holding all that was published before this call.

        Raises DatabaseAway if the database doesn't answer in time.
        """
        waiting = self._to_catch_up.get(stream)
        if waiting is None:
            waiting = asyncio.get_running_loop().create_future()
            self._to_catch_up[stream] = waiting
            self._work_due.set()
        return await self._turned(waiting, self._query_seconds)

    async def _turned(self, waiting: asyncio.Future[Result], seconds: float) -> Result:
        """What the next turn gives. Raises DatabaseAway: at once while it is known to be away."""
        if self.away is not None:
            raise DatabaseAway(f"The event log can't be reached: {self.away}")
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(waiting)
        except TimeoutError:
            raise DatabaseAway(
                f"The database {self._database!r} did not answer in {seconds} s."
            ) from None

    async def replay(
        self, stream: str, recipient: str | None, *, after: int, through: int
    ) -> Replay:
        """What lies after one position up to another in the table, at most a batch of it.

        recipient: None for the whole stream. Raises DatabaseAway.
        """
        parameters = {
            "stream": stream,
            "recipient": recipient,
            "after": after,
            "through": through,
            "batch_rows": REPLAY_ROWS,
            "batch_bytes": CHUNK_BYTES,
        }
        try:
            pool = await self._pool()
            async with pool.connection(timeout=self._query_seconds) as connection:
                rows = await self._query(connection, REPLAY, parameters)
        except (*AWAY, PoolTimeout) as error:
            raise DatabaseAway(f"Could not read the event log: {error}") from error
        events = [event for _, _, *event in rows if event[0] is not None]
        return Replay(
            chunk=b"".join(wire.event(*event) for event in events),
            position=through if not events or _is_all(rows, REPLAY_ROWS) else events[-1][0],
            pruned_through=rows[0][1] if rows else 0,
        )

    async def _pool(self) -> AsyncConnectionPool:
        if self._replay_pool is None:
            self._replay_pool = self._run("open-replay-pool", self._open_replay_pool())
        return await asyncio.shield(self._replay_pool)

    async def _open_replay_pool(self) -> AsyncConnectionPool:
        pool = AsyncConnectionPool(
            kwargs={**await self._parameters(), "autocommit": True},
            min_size=0,
            max_size=conf.get("REPLAY_CONNECTIONS"),
            max_idle=60,
            check=self._check,
            name="realtime-replay",
            open=False,
        )
        await pool.open()
        return pool

    async def _check(self, connection: psycopg.AsyncConnection) -> None:
        """For the pool: whether a connection that was idle still works."""
        with answered_within(self._query_seconds, connection):
            await AsyncConnectionPool.check_connection(connection)

    def poll(self) -> None:
        """Look at once for what no hint has told."""
        self._poll_due = True
        self._work_due.set()

    async def drain(self, seconds: float) -> None:
        """Take no more streams, and close the open ones one after the other over this time.

        Their clients come back at once, to another process or to this one's successor: that
        they leave spread out is what spreads their return.
        """
        self.is_draining = True
        streams = list(self.streams)
        began = asyncio.get_running_loop().time()
        for number, stream in enumerate(streams):
            if stream not in self.streams:
                continue  # it has left by itself
            due = began + seconds * number / len(streams)
            if (wait := due - asyncio.get_running_loop().time()) > 0:
                await asyncio.sleep(wait)
            stream.close(wire.retry(random.randint(*conf.get("RETRY_MILLISECONDS"))))

    # For those who watch over the process

    @property
    def away(self) -> str | None:
        """Why the event log can't be reached; None: it can, as far as is known."""
        return self._working.away

    @property
    def state(self) -> State:
        """How it stands with the database now, without asking it."""
        answered, now = self._last_answer, asyncio.get_running_loop().time()
        return State(
            away=self.away,
            listening_since=self._listening.works_since,
            is_deaf=self._listener.is_deaf,
            seconds_since_answer=None if answered is None else now - answered,
        )

    async def measure_lag(self, *, seconds: float) -> float:
        """The age of the oldest event that waits for a number, after all was done that can be.

        Whoever else asks meanwhile gets the same answer. Raises DatabaseAway if there is none
        within these seconds.
        """
        if self._to_measure is None:
            self._to_measure = asyncio.get_running_loop().create_future()
            self.poll()
        return await self._turned(self._to_measure, seconds)

    # What is heard

    def _catch_up_on_hints(self) -> None:
        self._listening.works()
        self.poll()
        self.guard.check_all()

    def _hear(self, channel: str, payload: str) -> None:
        if channel == ACCESS_CHANNEL:
            self.guard.hear(payload)
            return
        if channel == PENDING_CHANNEL:
            self._to_number.add(payload)
        elif channel == PUBLISHED_CHANNEL:
            position, stream = parse_published(payload)
            tail = self._tails.get(stream)
            if tail is None or tail.position >= position:
                return
            self._to_read.add(stream)
        self._work_due.set()

    # What is done about it

    async def _work(self, connection: psycopg.AsyncConnection) -> None:
        clock = asyncio.get_running_loop().time
        self._poll_due = True
        while True:
            if self._poll_due:
                # Counted from poll to poll: hints of one stream must not put off the look that
                # finds a lost hint of another.
                next_poll = clock() + self._poll_seconds
            await self._turn(connection)
            self._working.works()
            try:
                async with asyncio.timeout_at(min(next_poll, self._watches.next_look)):
                    await self._work_due.wait()
            except TimeoutError:
                if clock() >= next_poll:
                    self._poll_due = True

    async def _turn(self, connection: psycopg.AsyncConnection) -> None:
        """Do all that has come together since the last turn. What comes meanwhile is for the next:
        a hint may tell of something that this turn's queries could not see yet.
        """
        self._work_due.clear()
        poll_due, self._poll_due = self._poll_due, False
        to_number, self._to_number = self._to_number, set()
        to_read, self._to_read = self._to_read, set()
        to_catch_up, self._to_catch_up = self._to_catch_up, {}
        to_measure, self._to_measure = self._to_measure, None
        try:
            if poll_due:
                await self._poll(connection, to_number, to_read)
            # Hints of what is watched can wait: there will be a look that is later than they are.
            to_number = {name for name in to_number if name not in self._watches}
            for stream in to_number | self._watches.due():
                if await self._number(connection, stream):
                    to_read.add(stream)
            for stream in to_read & self._tails.keys() | to_catch_up.keys():
                tail = await self._read(connection, stream)
                if stream in to_catch_up and not to_catch_up[stream].done():
                    to_catch_up[stream].set_result(tail)
            if to_measure is not None:
                [(lag,)] = await self._query(connection, OLDEST_WAITING, {})
                to_measure.set_result(lag)
        except BaseException as error:
            _fail(_futures(to_catch_up, to_measure), f"Could not read the event log: {error}")
            raise

    def _give_up(self, reason: str) -> None:
        """There is no connection: nobody is to wait for the next turn."""
        _fail(self._waiting(), f"The event log can't be reached: {reason}")
        self._to_catch_up, self._to_measure = {}, None

    def _waiting(self) -> list[asyncio.Future[Any]]:
        return _futures(self._to_catch_up, self._to_measure)

    async def _poll(
        self, connection: psycopg.AsyncConnection, to_number: set[str], to_read: set[str]
    ) -> None:
        self._forget_idle_tails()
        followed = {"followed": list(self._tails)}
        for stream, position, waiting in await self._query(connection, STREAMS_BEHIND, followed):
            if waiting:
                to_number.add(stream)
            tail = self._tails.get(stream)
            if tail is not None and position < tail.position:
                tail.restart(position)
            elif tail is not None and position > tail.position:
                to_read.add(stream)

    def _forget_idle_tails(self) -> None:
        for stream in [name for name, tail in self._tails.items() if not tail.is_followed]:
            del self._tails[stream]

    async def _number(self, connection: psycopg.AsyncConnection, stream: str) -> bool:
        """Number what waits in a stream and tell the other processes; whether there was any."""
        batch = {
            "stream": stream,
            "batch_rows": NUMBER_ROWS,
            "busy_rows": BUSY_ROWS,
            "watch_seconds": WATCH_SECONDS,
        }
        began = asyncio.get_running_loop().time()
        [(moved, position, promised)] = await self._query(
            connection, NUMBER_EVENTS, batch, cursor_class=psycopg.AsyncClientCursor
        )
        self._watches.looked(
            stream,
            began=began,
            finished=moved is not None,
            promised=bool(promised),
            more=moved == NUMBER_ROWS,
        )
        if not moved:
            return False
        # A statement of its own, after the commit of the numbering: see publishing.py.
        hint = {"channel": PUBLISHED_CHANNEL, "payload": published(position, stream)}
        await self._query(connection, NOTIFY, hint)
        return True

    async def _read(self, connection: psycopg.AsyncConnection, stream: str) -> Tail:
        """Bring the tail of a stream up to date; begin it if it is new."""
        tail = self._tails.get(stream)
        if tail is None:
            rows = await self._query(connection, POSITION, {"stream": stream})
            tail = self._tails[stream] = Tail(
                rows[0][0] if rows else 0,
                keep_events=conf.get("RECENT_EVENTS"),
                keep_bytes=conf.get("RECENT_BYTES"),
            )
            return tail
        while True:
            after = {
                "stream": stream,
                "after": tail.position,
                "batch_rows": READ_ROWS,
                "batch_bytes": READ_BYTES,
            }
            rows = await self._query(connection, READ_TAIL, after)
            tail.append(
                RecentEvent(position, recipient, wire.event(position, type, data))
                for _, position, recipient, type, data in rows
            )
            if _is_all(rows, READ_ROWS):
                return tail

    async def _query(
        self,
        connection: psycopg.AsyncConnection,
        statement: str,
        parameters: dict[str, Any],
        *,
        cursor_class: type[psycopg.AsyncCursor] = psycopg.AsyncCursor,
    ) -> list[tuple[Any, ...]]:
        cursor = cursor_class(connection)
        with answered_within(self._query_seconds, connection):
            await cursor.execute(statement, parameters)
            while cursor.description is None:  # of BEGIN
                cursor.nextset()
            rows = await cursor.fetchall()
        self._last_answer = asyncio.get_running_loop().time()
        return rows


def _is_all(rows: list[tuple[Any, ...]], limit: int) -> bool:
    """Whether a batch is all there is: neither its rows nor its bytes came to their limit."""
    return not rows or len(rows) == rows[0][0] < limit


def _futures(
    to_catch_up: dict[str, asyncio.Future[Tail]], to_measure: asyncio.Future[float] | None
) -> list[asyncio.Future[Any]]:
    return [*to_catch_up.values(), *([] if to_measure is None else [to_measure])]


def _fail(waiting: list[asyncio.Future[Any]], reason: str) -> None:
    for one in waiting:
        if not one.done():
            one.set_exception(DatabaseAway(reason))
            one.exception()  # who waited may have left: then nobody else looks
