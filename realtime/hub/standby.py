"""A standby that replays are read from when it can answer them.

Its replay is used only if it can't be wrong: the standby has the last event of the requested range,
with the right mark, and so all events before it; and it has the event of the client's cursor.
Otherwise the primary is asked. So a standby that lags behind, is away, or has another history since
its promotion causes no gap and no `reset`; it just doesn't help.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import psycopg

from ..log.event_log import EventLog, Replay
from ..postgres.connections import CONNECTION_ERRORS, Parameters, PreparedConnection, connect

logger = logging.getLogger("realtime")

# How long it may take to connect or to answer: a client waits, and the primary could answer.
ANSWER_SECONDS = 2.0
# How long it isn't asked after a failure.
REST_SECONDS = 5.0
# A session is closed after so long, because its host name may lead to another server by then.
SESSION_SECONDS = 600.0

Read = Callable[[EventLog, psycopg.AsyncConnection], Awaitable[Replay]]


class Standby:
    """parameters: returns those of a connection to it. places: how many may query it at a time."""

    def __init__(self, parameters: Callable[[], Awaitable[Parameters]], places: int) -> None:
        self._parameters = parameters
        self._log = EventLog(ANSWER_SECONDS)
        self._places = asyncio.Semaphore(places)
        # Idle sessions, each with the time when it is to be closed.
        self._idle: list[tuple[PreparedConnection, float]] = []
        self._rests_until = 0.0
        self._is_failing = False
        self._is_closed = False

    async def read(self, read: Read, seconds: float) -> Replay | None:
        """The standby's replay; None: it is unavailable, or its replay can't be used.

        read: asks for a replay. seconds: how long to wait for a place.
        """
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(seconds):
                await self._places.acquire()
        except TimeoutError:
            return None
        try:
            # Checked after the wait, because the standby may have failed meanwhile.
            if clock() < self._rests_until:
                return None
            replay = await self._ask(read)
        except (psycopg.Error, *CONNECTION_ERRORS) as error:
            self._rests_until = clock() + REST_SECONDS
            self._say(" ".join(str(error).split()) or "it did not answer in time")
            return None
        finally:
            self._places.release()
        self._say(None)
        is_certain = replay.is_whole and not replay.is_pruned and not replay.is_other_history
        return replay if is_certain else None

    async def close(self) -> None:
        self._is_closed = True
        while self._idle:
            await self._idle.pop()[0].close()

    async def _ask(self, read: Read) -> Replay:
        connection, ends_at = await self._session()
        try:
            replay = await read(self._log, connection)
        except BaseException:
            # Also if the client has left: an unread answer may still arrive on this connection.
            await connection.close()
            raise
        if self._is_closed:
            await connection.close()
        else:
            self._idle.append((connection, ends_at))
        return replay

    async def _session(self) -> tuple[PreparedConnection, float]:
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection, ends_at = self._idle.pop()
            if now < ends_at and not connection.closed:
                return connection, ends_at
            await connection.close()
        parameters = {**await self._parameters(), "connect_timeout": int(ANSWER_SECONDS)}
        return await connect(parameters), now + SESSION_SECONDS

    def _say(self, reason: str | None) -> None:
        """Log that it can't be used, once, for this reason; None: that it can be used again."""
        if reason is None and self._is_failing:
            logger.warning("The standby for replays answers again.")
        elif reason is not None and not self._is_failing:
            logger.warning("The standby for replays can't be used, asking the primary: %s", reason)
        self._is_failing = reason is not None
