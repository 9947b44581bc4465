"""Replays: events that clients missed and that are no longer in memory, read from the table."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context
from functools import partial

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from .. import conf
from ..counts import counts
from ..exceptions import DatabaseUnavailable
from ..log.cursor import Cursor
from ..log.event_log import EventLog, Missed, Replay
from ..log.topics import Topics
from ..postgres.connections import CONNECTION_ERRORS, Parameters, PreparedConnection
from ..postgres.deadlines import deadline
from .standby import Standby

# How many clients are served together: this bounds the memory and the time on the loop.
TOGETHER = 16
# How long the pool may take to close: it may be connecting to a database that is away.
CLOSE_SECONDS = 1.0
# When a reader that still runs is cancelled again. The pool waits by `asyncio.wait_for`, which on
# Python 3.11 swallows a cancellation that comes at the same moment as a connection.
AGAIN_SECONDS = 0.1

Waiting = list[tuple[Missed, asyncio.Future[Replay]]]


class Replays:
    """Reads replays over `REPLAY_CONNECTIONS` connections, however many clients come back at once.

    query_seconds: how long a client waits for its turn, and how long for the answer.
    standby: returns the parameters of a server that is asked first; None: there is none.
    """

    def __init__(
        self,
        log: EventLog,
        parameters: Callable[[], Awaitable[Parameters]],
        query_seconds: float,
        *,
        standby: Callable[[], Awaitable[Parameters]] | None = None,
    ) -> None:
        self._log = log
        self._parameters = parameters
        self._query_seconds = query_seconds
        # Whether some kinds of topics are kept for less long than their stream.
        self._prunes_kinds = any(isinstance(kept, dict) for kept in conf.get("RETENTION").values())
        self._pool: asyncio.Task[AsyncConnectionPool[PreparedConnection]] | None = None
        self._places = conf.get("REPLAY_CONNECTIONS")
        self._standby = None if standby is None else Standby(standby, self._places)
        # The clients that wait for their turn at the primary, and the tasks that read for them.
        self._waiting: deque[tuple[Missed, asyncio.Future[Replay]]] = deque()
        self._readers: set[asyncio.Task[None]] = set()
        self._reading = 0

    async def read(
        self,
        stream: str,
        topics: Topics,
        *,
        after: Cursor,
        through: Cursor,
        enough: Cursor | None = None,
    ) -> Replay:
        """See `EventLog.replay()`. Raises DatabaseUnavailable.

        enough: an event before `through` up to which a replay also helps the client. A standby is
            asked up to here only, because it may not have the newest events yet.
        """
        began = asyncio.get_running_loop().time()
        replay = None
        if self._standby is not None:
            missed = Missed(stream, topics, after, through if enough is None else enough)
            replay = await self._standby.read(partial(self._read, missed), self._query_seconds)
        answered_by = "standby"
        if replay is None:
            answered_by = "primary"
            replay = await self._wait_for(Missed(stream, topics, after, through))
            if through.mark is not None and not replay.is_whole:
                # The log has lost the event that this process has come to, and perhaps others.
                replay = replay._replace(is_other_history=True)
        counts.replays[answered_by] += 1
        counts.replay_seconds.observe(asyncio.get_running_loop().time() - began)
        return replay

    async def _read(
        self, missed: Missed, log: EventLog, connection: psycopg.AsyncConnection
    ) -> Replay:
        replay = await log.replay(connection, **missed._asdict())
        return await self._with_kinds(missed, replay, log, connection)

    async def _with_kinds(
        self, missed: Missed, replay: Replay, log: EventLog, connection: psycopg.AsyncConnection
    ) -> Replay:
        if not self._prunes_kinds or replay.is_pruned:
            return replay
        is_pruned = await log.has_pruned_kinds(
            connection, missed.stream, missed.topics, missed.after
        )
        return replay._replace(is_pruned=is_pruned)

    async def _wait_for(self, missed: Missed) -> Replay:
        """The primary's replay, when it is this client's turn. Raises DatabaseUnavailable."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Replay] = loop.create_future()
        self._waiting.append((missed, answer))
        if self._reading < self._places:
            self._reading += 1
            # In a context of its own: the task must not keep the first request's context alive.
            reader = loop.create_task(
                self._read_in_turn(), name="realtime-replays", context=Context()
            )
            self._readers.add(reader)
            reader.add_done_callback(self._readers.discard)
        try:
            # Twice: once for its turn, and once for the answer.
            async with asyncio.timeout(2 * self._query_seconds):
                return await answer
        except TimeoutError as error:
            counts.failed_replays += 1
            raise DatabaseUnavailable("The event log was not read in time.") from error

    async def _read_in_turn(self) -> None:
        try:
            while several := self._next(TOGETHER):
                await self._answer(several)
        finally:
            # Here, not in a done callback: a client that comes before the callback must not be
            # missed.
            self._reading -= 1

    async def _answer(self, several: Waiting) -> None:
        try:
            pool = await self._opened_pool()
            async with pool.connection(timeout=self._query_seconds) as connection:
                replays = await self._log.replays(connection, [missed for missed, _ in several])
                for (missed, answer), replay in zip(several, replays, strict=True):
                    found = await self._with_kinds(missed, replay, self._log, connection)
                    if not answer.done():
                        answer.set_result(found)
        except (*CONNECTION_ERRORS, PoolTimeout) as error:
            _fail(several, DatabaseUnavailable(f"Could not read the event log: {error}"))
        except asyncio.CancelledError:
            _fail(several, DatabaseUnavailable("The event log is not read any more."))
            raise
        except Exception as error:
            _fail(several, error)

    def _next(self, most: int) -> Waiting:
        """The clients whose turn it is, without those that have left."""
        several: Waiting = []
        while self._waiting and len(several) < most:
            missed, answer = self._waiting.popleft()
            if not answer.done():
                several.append((missed, answer))
        return several

    async def _opened_pool(self) -> AsyncConnectionPool[PreparedConnection]:
        if self._pool is None:
            # In a context of its own: the task must not keep the first request's context alive.
            self._pool = asyncio.get_running_loop().create_task(
                self._open_pool(), name="realtime-open-replay-pool", context=Context()
            )
        return await asyncio.shield(self._pool)

    async def _open_pool(self) -> AsyncConnectionPool[PreparedConnection]:
        pool = AsyncConnectionPool(
            connection_class=PreparedConnection,
            # Called for each connection, because a password may have changed.
            kwargs=self._parameters,
            min_size=0,
            max_size=conf.get("REPLAY_CONNECTIONS"),
            max_idle=60,
            # Not longer than a client waits: the pool's pauses between attempts get ever longer,
            # and after an outage the next clients would have to wait for the end of one.
            reconnect_timeout=self._query_seconds,
            check=self._check,
            name="realtime-replay",
            open=False,
        )
        await pool.open()
        return pool

    async def _check(self, connection: psycopg.AsyncConnection) -> None:
        """For the pool: whether a connection that was idle still works."""
        with deadline(self._query_seconds, connection):
            await AsyncConnectionPool.check_connection(connection)

    async def close(self) -> None:
        """Close the connections. Clients that still wait get DatabaseUnavailable."""
        if self._standby is not None:
            await self._standby.close()
        while self._readers:
            for reader in self._readers:
                reader.cancel()
            await asyncio.wait(self._readers, timeout=AGAIN_SECONDS)
        rest = self._next(len(self._waiting))
        _fail(rest, DatabaseUnavailable("The event log is not read any more."))
        if self._pool is None:
            return
        self._pool.cancel()  # has no effect once the pool is open
        [pool] = await asyncio.gather(self._pool, return_exceptions=True)
        if isinstance(pool, AsyncConnectionPool):
            await pool.close(timeout=CLOSE_SECONDS)


def _fail(several: Waiting, error: Exception) -> None:
    for _, answer in several:
        if not answer.done():
            counts.failed_replays += isinstance(error, DatabaseUnavailable)
            answer.set_exception(error)
