"""A standby that replays are read from, for as long as it is of use.

What it says is taken only if it can't be wrong: it has the event up to which was asked, by its
mark, and so all that lies before it; and it knows the client's cursor. Whatever else it says, or if
it says nothing, the primary is asked. So a standby that is behind, away, or was promoted and is of
another history makes no hole and no reset; it is of no use, that is all.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import psycopg

from ..log.event_log import EventLog, Replay
from ..postgres.connections import CONNECTION_ERRORS, Parameters, PreparedConnection, connect

logger = logging.getLogger("realtime")

# How long it may take to connect or to answer: the primary is there, and a client waits.
ANSWER_SECONDS = 2.0
# How long it isn't asked after it has failed.
REST_SECONDS = 5.0
# A session is given up after so long: a name may lead to another server by now.
SESSION_SECONDS = 600.0

Read = Callable[[EventLog, psycopg.AsyncConnection], Awaitable[Replay]]


class Standby:
    """parameters: of a connection to it. places: how many may ask it at a time."""

    def __init__(self, parameters: Callable[[], Awaitable[Parameters]], places: int) -> None:
        self._parameters = parameters
        self._log = EventLog(ANSWER_SECONDS)
        self._places = asyncio.Semaphore(places)
        # Open sessions that nobody uses now, each with the time when it is to be given up.
        self._idle: list[tuple[PreparedConnection, float]] = []
        self._rests_until = 0.0
        self._is_failing = False
        self._is_closed = False

    async def read(self, read: Read, seconds: float) -> Replay | None:
        """What it says; None: it isn't to be had, or can't know.

        read: asks for a replay. seconds: how long to wait for a place.
        """
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(seconds):
                await self._places.acquire()
        except TimeoutError:
            return None
        try:
            # Here, for it may have failed while this client waited.
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
            # Also if the client has left: the answer may still be on its way.
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
        """Into the log, once."""
        if reason is None and self._is_failing:
            logger.warning("The standby for replays answers again.")
        elif reason is not None and not self._is_failing:
            logger.warning("The standby for replays is of no use, the primary is asked: %s", reason)
        self._is_failing = reason is not None
