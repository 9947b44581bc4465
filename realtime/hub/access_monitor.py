"""The guard: closes open streams when the access they rest on has ended.

It looks again at a stream one second after it was opened (whatever happened between its sign-in
and its first byte was hinted at before it was here to be told), when a hint concerns it, when
its time is up, and now and then in any case: a hint that is lost is a delay, as everywhere.
"""

import asyncio
import logging
import math
import time
from typing import TYPE_CHECKING

from django.db import DatabaseError, connections

from ..access.grants import Grant, ended
from ..log.notifications import CREDENTIAL_ENDED, PERMISSIONS_CHANGED, USER_CHANGED, parse_access
from ..postgres.deadlines import django_deadline
from .open_streams import OpenStreams

if TYPE_CHECKING:
    from .stream import EventStream

logger = logging.getLogger("realtime")

CLOCK_SECONDS = 1.0
# However fast hints come, there are no more looks than these, each at all that has come together.
PAUSE_SECONDS = 0.1
# How long the end of the guard waits for a look that is under way.
CLOSE_SECONDS = 1.0


class AccessMonitor:
    """PollingLeases over the open streams of one process.

    check_seconds: how often all of them are looked at without a hint.
    query_seconds: how long the database may take to answer.
    """

    def __init__(self, streams: OpenStreams, check_seconds: float, query_seconds: float) -> None:
        self._streams = streams
        self._check_seconds = check_seconds
        self._query_seconds = query_seconds
        # What the next look is at.
        self._due: set[EventStream] = set()
        self._all_due = False
        self._look_due = asyncio.Event()
        # When one of them may end by itself, in seconds since the epoch; 0: not known.
        self._next_end = 0.0
        # Whether the last look has failed.
        self._is_blind = False
        # What was heard since the last look: kind and value, as in notifications.py.
        self._hints: set[tuple[str, str]] = set()

    def look_soon(self, stream: "EventStream") -> None:
        """Look at a stream that has just been opened."""
        self._due.add(stream)  # at the next stroke of the clock, see above
        self._next_end = 0.0

    def hear(self, payload: str) -> None:
        """A hint on ACCESS_CHANNEL."""
        self._hints.add(parse_access(payload))
        self._look_due.set()

    def check_all(self) -> None:
        """Look at every stream at once: hints may have been missed."""
        self._all_due = True
        self._look_due.set()

    async def run(self) -> None:
        # Two tasks: while a database that is away holds up a look, tokens run out all the same.
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_time(), name="realtime-access-clock")
            tasks.create_task(self._look_again(), name="realtime-access-look")

    async def _keep_time(self) -> None:
        clock = asyncio.get_running_loop().time
        next_check = clock() + self._check_seconds
        while True:
            await asyncio.sleep(CLOCK_SECONDS)
            self._end_what_is_over(time.time())
            if clock() >= next_check:
                self._all_due = True
                next_check = clock() + self._check_seconds
            if self._due or self._all_due:
                self._look_due.set()

    def _end_what_is_over(self, now: float) -> None:
        if now < self._next_end:
            return
        self._next_end = math.inf
        for stream in self._streams:
            ends_at = stream.access.ends_at
            if ends_at is None:
                continue
            if ends_at > now:
                self._next_end = min(self._next_end, ends_at)
            elif stream.access.session_key is None:
                stream.close()
            else:
                self._due.add(stream)  # a session may have been prolonged

    async def _look_again(self) -> None:
        while True:
            await self._look_due.wait()
            self._look_due.clear()
            streams = self._take_due()
            if streams:
                await self._close_ended(streams)
            await asyncio.sleep(PAUSE_SECONDS)

    def _take_due(self) -> "set[EventStream]":
        """What is to be looked at now. Closes at once what ended by a hint's own word."""
        hints, self._hints = self._hints, set()
        all_due, self._all_due = self._all_due, False
        due, self._due = self._due, set()
        if hints:
            # What is said to be ended needs no second look: only the cookie itself would know of
            # a session that is kept there; and a stream closed in error costs a reconnect.
            for stream in self._streams:
                if (CREDENTIAL_ENDED, stream.access.credential) in hints:
                    stream.close()
                elif (USER_CHANGED, stream.access.user) in hints or (
                    stream.access.permission is not None and (PERMISSIONS_CHANGED, "") in hints
                ):
                    due.add(stream)
        return set(self._streams) if all_due else due

    async def _close_ended(self, streams: "set[EventStream]") -> None:
        by_access = {stream.access: stream for stream in streams}
        try:
            with django_deadline(self._query_seconds) as watched:
                look = asyncio.ensure_future(
                    asyncio.to_thread(watched(_ended_in_thread), by_access)
                )
                try:
                    over = await asyncio.shield(look)
                except asyncio.CancelledError:
                    # A thread can't be cancelled, and has a session to give back.
                    await asyncio.wait([look], timeout=CLOSE_SECONDS)
                    raise
            for access in over:
                by_access[access].close()
            self._next_end = 0.0  # of a session the look may have found another end
            self._is_blind = False
        except Exception as error:
            # They stay open meanwhile: nothing new is read from a database that is away.
            self._due |= {stream for stream in streams if stream in self._streams}
            # Said once, for it tries again every second.
            if not self._is_blind:
                traceback = None if isinstance(error, DatabaseError) else error
                message = "Could not look whether open streams still may be, trying again: %s"
                logger.warning(message, " ".join(str(error).split()), exc_info=traceback)
            self._is_blind = True


def _ended_in_thread(accesses: "dict[Grant, EventStream]") -> list[Grant]:
    try:
        return ended(accesses.keys())
    finally:
        # The thread is kept for later; a session of PostgreSQL is not.
        connections.close_all()
