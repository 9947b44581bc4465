"""Replays: what clients missed and is no more in memory, read from the table."""

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

# How many clients have their turn together: a bounded piece of memory, and of the loop's time.
TOGETHER = 16
# How long the pool may take to end what it is at: it may be connecting to a database that is away.
CLOSE_SECONDS = 1.0
# When a reader that goes on is cancelled again: `asyncio.wait_for`, by which the pool
# waits, swallows on Python 3.11 a cancellation that comes in the moment in which a connection does.
AGAIN_SECONDS = 0.1

Waiting = list[tuple[Missed, asyncio.Future[Replay]]]


class Replays:
    """However many clients come back at once, they take turns at `REPLAY_CONNECTIONS`.

    query_seconds: how long a client waits for its turn, and how long for an answer.
    standby: parameters of a server that is asked first; None: there is none.
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
        # Who waits for their turn at the primary, and what reads for them.
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

        enough: an event before `through`, if the client is helped by coming that far. A standby is
            asked for no more: the newest events may be on their way to it.
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
                # The log has lost the event that this process has come to: with how many before it?
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
        """What the primary says, when it is this client's turn. Raises DatabaseUnavailable."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Replay] = loop.create_future()
        self._waiting.append((missed, answer))
        if self._reading < self._places:
            self._reading += 1
            # In a context of its own: whichever request came first must not live on in it.
            reader = loop.create_task(
                self._read_in_turn(), name="realtime-replays", context=Context()
            )
            self._readers.add(reader)
            reader.add_done_callback(self._readers.discard)
        try:
            # For its turn, and for an answer.
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
            # Here, not when the task is seen to be done: who comes until then must not be missed.
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
        """Whose turn it is: those of them who haven't left."""
        several: Waiting = []
        while self._waiting and len(several) < most:
            missed, answer = self._waiting.popleft()
            if not answer.done():
                several.append((missed, answer))
        return several

    async def _opened_pool(self) -> AsyncConnectionPool[PreparedConnection]:
        if self._pool is None:
            # In a context of its own: whichever request came first must not live on in it.
            self._pool = asyncio.get_running_loop().create_task(
                self._open_pool(), name="realtime-open-replay-pool", context=Context()
            )
        return await asyncio.shield(self._pool)

    async def _open_pool(self) -> AsyncConnectionPool[PreparedConnection]:
        pool = AsyncConnectionPool(
            connection_class=PreparedConnection,
            # Asked for each connection: a password may have changed.
            kwargs=self._parameters,
            min_size=0,
            max_size=conf.get("REPLAY_CONNECTIONS"),
            max_idle=60,
            # No longer than anybody waits: else, after the database was away, those who come next
            # would wait for the end of an ever longer pause between its attempts.
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
        """Close the connections. Who waits for one gets DatabaseUnavailable, or is cancelled."""
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
        self._pool.cancel()  # in vain once it is open
        [pool] = await asyncio.gather(self._pool, return_exceptions=True)
        if isinstance(pool, AsyncConnectionPool):
            await pool.close(timeout=CLOSE_SECONDS)


def _fail(several: Waiting, error: Exception) -> None:
    for _, answer in several:
        if not answer.done():
            counts.failed_replays += isinstance(error, DatabaseUnavailable)
            answer.set_exception(error)
