"""One client's stream: a cursor that moves through the event log.

Read what comes after my position; if there is nothing, wait until woken. What is recent comes from
memory, what is older from the table; there is no hand-over between the two, hence no gap and no
repeat. A client that was away for a week and one that is up to date differ in their position only.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable

from . import conf, wire
from .access import Access
from .exceptions import DatabaseAway
from .hub import Hub
from .tail import Tail

# Why a cursor can't be honoured, as the client is told.
INVALID = "invalid"  # it is no position
AHEAD = "ahead"  # the log ends before it: it was restored from a backup
PRUNED = "pruned"  # events after it are gone from the log

# When a client that doesn't follow asks again: about every three seconds, each at another moment.
ASK_AGAIN_MILLISECONDS = (2500, 3500)


class EventStream:
    """The stream of one client, for one recipient (None: for the whole stream).

    access: what it rests on; the default is nothing that could end.
    cursor: the position after which it begins; None for one that wasn't valid.
    follow: whether it waits for more when all has been said; otherwise it ends there.
    """

    __slots__ = (
        "_awake",
        "_beat_due",
        "_closed",
        "_cursor",
        "_farewell",
        "_follow",
        "_hub",
        "_missed_beats",
        "_name",
        "_waiter",
        "access",
        "on_stall",
        "recipient",
    )

    def __init__(
        self,
        hub: Hub,
        name: str,
        recipient: str | None,
        cursor: int | None,
        *,
        access: Access | None = None,
        follow: bool = True,
    ) -> None:
        self.recipient = recipient
        self.access = access or Access(recipient)
        self._hub = hub
        self._name = name
        self._cursor = cursor
        self._follow = follow
        self._awake = False
        # What to do about a client that has stopped reading; whoever sends the chunks knows.
        self.on_stall: Callable[[], None] | None = None
        self._beat_due = False
        self._missed_beats = 0
        self._closed = False
        self._farewell = b""
        self._waiter: asyncio.Future[None] | None = None

    def wake(self) -> None:
        """There may be something to read."""
        self._awake = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def beat(self) -> None:
        """A heartbeat is due."""
        if self._beat_due:  # still, from the last time: the client has taken nothing since
            self._missed_beats += 1
            if self._missed_beats == conf.get("STALLED_HEARTBEATS"):
                (self.on_stall or self.close)()
        self._beat_due = True
        self.wake()

    def close(self, farewell: bytes = b"") -> None:
        """End the stream: `chunks()` says farewell and stops as soon as it is asked for more."""
        self._closed = True
        self._farewell = farewell
        self.wake()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The stream's text, in as few pieces as its client can take."""
        # A tail that nobody follows is forgotten after a while, so hold on to it at once.
        while (tail := self._hub.tail(self._name)) is None:
            try:
                await self._hub.catch_up(self._name)
            except DatabaseAway:
                return  # the client comes back with its cursor
        with (
            tail.followed_by(self),
            self._hub.heartbeat.beating(self),
            self._hub.streams.including(self),
            self._hub.guard.watching(self),
        ):
            first = b"" if self._cursor is not None else self._reset(INVALID, tail)
            retry = conf.get("RETRY_MILLISECONDS") if self._follow else ASK_AGAIN_MILLISECONDS
            yield wire.opening(random.randint(*retry), self._cursor) + first
            while not self._closed:
                self._awake = False
                self._missed_beats = 0
                chunk = await self._read(tail)
                if self._closed:
                    break  # meanwhile: nobody gets a replay after their access has ended
                if chunk:
                    yield chunk
                elif self._beat_due or not self._follow:
                    self._beat_due = False
                    yield wire.heartbeat(self._cursor)
                    if not self._follow:
                        break
                else:
                    await self._wait()
            if self._farewell:
                yield self._farewell

    async def _read(self, tail: Tail) -> bytes:
        """What comes after the cursor, and move it there; empty if there is nothing yet."""
        if self._cursor > tail.position:
            return self._reset(AHEAD, tail)
        if self._cursor >= tail.start:
            chunk, self._cursor = tail.read(self._cursor, self.recipient)
            return chunk
        try:
            replay = await self._hub.replay(
                self._name, self.recipient, after=self._cursor, through=tail.position
            )
        except DatabaseAway:
            return b""  # the next event or heartbeat tries again
        if self._cursor < replay.pruned_through:
            return self._reset(PRUNED, tail)
        self._cursor = replay.position
        return replay.chunk or await self._read(tail)

    def _reset(self, reason: str, tail: Tail) -> bytes:
        self._cursor = tail.position
        return wire.reset(reason, tail.position)

    async def _wait(self) -> None:
        if self._awake:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
