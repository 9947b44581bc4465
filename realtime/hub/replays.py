"""Replays: what clients missed and is no more in memory, read from the table."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from functools import partial

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from .. import conf
from ..counts import counts
from ..exceptions import DatabaseUnavailable
from ..log.cursor import Cursor
from ..log.event_log import EventLog, Replay
from ..log.topics import Topics
from ..postgres.connections import CONNECTION_ERRORS, Parameters, PreparedConnection
from ..postgres.deadlines import deadline
from .standby import Standby

# How long the pool may take to end what it is at: it may be connecting to a database that is away.
CLOSE_SECONDS = 1.0


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
        places = conf.get("REPLAY_CONNECTIONS")
        self._standby = None if standby is None else Standby(standby, places)

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
        read = partial(self._read, stream, topics, after)
        began = asyncio.get_running_loop().time()
        replay = None
        if self._standby is not None:
            up_to = through if enough is None else enough
            replay = await self._standby.read(partial(read, up_to), self._query_seconds)
        answered_by = "standby"
        if replay is None:
            answered_by = "primary"
            try:
                pool = await self._opened_pool()
                async with pool.connection(timeout=self._query_seconds) as connection:
                    replay = await read(through, self._log, connection)
            except (*CONNECTION_ERRORS, PoolTimeout) as error:
                counts.failed_replays += 1
                raise DatabaseUnavailable(f"Could not read the event log: {error}") from error
        counts.replays[answered_by] += 1
        counts.replay_seconds.observe(asyncio.get_running_loop().time() - began)
        return replay

    async def _read(
        self,
        stream: str,
        topics: Topics,
        after: Cursor,
        through: Cursor,
        log: EventLog,
        connection: psycopg.AsyncConnection,
    ) -> Replay:
        replay = await log.replay(connection, stream, topics, after=after, through=through)
        if self._prunes_kinds and not replay.is_pruned:
            is_pruned = await log.has_pruned_kinds(connection, stream, topics, after)
            replay = replay._replace(is_pruned=is_pruned)
        return replay

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
        if self._pool is None:
            return
        self._pool.cancel()  # in vain once it is open
        [pool] = await asyncio.gather(self._pool, return_exceptions=True)
        if isinstance(pool, AsyncConnectionPool):
            await pool.close(timeout=CLOSE_SECONDS)
