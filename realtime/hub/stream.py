"""One client's stream: a cursor that moves through the event log.

Read what comes after my position; if there is nothing, wait until woken. What is recent comes from
memory, what is older from the table; there is no hand-over between the two, hence no gap and no
repeat. A client that was away for a week and one that is up to date differ in their position only.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from typing import Any, Protocol, Self

from .. import conf
from ..access.grants import Grant
from ..counts import counts
from ..exceptions import DatabaseUnavailable
from ..log import wire
from ..log.cursor import START, Cursor
from ..log.topics import Topics
from .open_streams import ALL_SAID, STALLED
from .recent_events import RecentEvents
from .replays import Replays

# Why a cursor can't be honoured, as the client is told.
INVALID = "invalid"  # it is no cursor
HISTORY = "history"  # the log hasn't its event, so it isn't the log that it comes from
PRUNED = "pruned"  # events after it are gone from the log

# When a client that doesn't follow asks again: about every three seconds, each at another moment.
ASK_AGAIN_MILLISECONDS = (2500, 3500)


class Source(Protocol):
    """Where a stream reads, and who looks after it while it is open: its process's hub."""

    def replays(self, stream: str) -> Replays: ...
    def tail(self, stream: str) -> RecentEvents | None: ...
    async def catch_up(self, stream: str) -> RecentEvents: ...
    def add(self, stream: "EventStream") -> None: ...
    def remove(self, stream: "EventStream") -> None: ...


class EventStream:
    """The stream of one client, of some topics or the whole stream.

    access: what it rests on; the default is nothing that could end.
    cursor: the event after which it begins; None for one that wasn't valid.
    follow: whether it waits for more when all has been said; otherwise it ends there.

    Whoever sends it to the client enters it, takes chunks as long as there are any, and is called
    back when there may be more: `chunks()` does so under Django's handler, and `stream_writer.py`
    without it.
    """

    __slots__ = (
        "_beat_due",
        "_begun",
        "_closed",
        "_cursor",
        "_farewell",
        "_follow",
        "_hub",
        "_is_valid",
        "_missed_beats",
        "_replay_due",
        "_replayed",
        "_restarts",
        "_tail",
        "access",
        "end_reason",
        "name",
        "on_stall",
        "on_wake",
        "topics",
    )
    _tail: RecentEvents  # from when it is entered

    def __init__(
        self,
        hub: Source,
        name: str,
        topics: Topics,
        cursor: Cursor | None,
        *,
        access: Grant | None = None,
        follow: bool = True,
    ) -> None:
        self.topics = topics
        self.access = access or Grant()
        # What to do when there may be more to take.
        self.on_wake: Callable[[], None] | None = None
        self.end_reason: str | None = None
        # What to do about a client that has stopped reading; the default is to close.
        self.on_stall: Callable[[], None] | None = None
        self._hub = hub
        self.name = name
        self._is_valid = cursor is not None
        self._cursor = START if cursor is None else cursor
        self._follow = follow
        # The cursor is one of the history that the recent events had after so many restarts.
        self._restarts: int | None = None
        self._begun = False
        self._closed = False
        self._farewell = b""
        self._beat_due = False
        self._missed_beats = 0
        # The next events have to be read from the table, and that hasn't failed since it was woken.
        self._replay_due = True
        self._replayed = b""

    async def __aenter__(self) -> Self:
        """Raises DatabaseUnavailable: the client comes back with its cursor."""
        # A tail that nobody follows is forgotten after a while, so hold on to it at once.
        while (tail := self._hub.tail(self.name)) is None:
            await self._hub.catch_up(self.name)
        self._tail = tail
        tail.follow(self)
        self._hub.add(self)
        return self

    async def __aexit__(self, *error: Any) -> None:
        self._hub.remove(self)
        self._tail.unfollow(self)

    def change_topics(self, topics: Topics) -> None:
        """From now on, tell of these: access was looked at again."""
        if topics == self.topics:
            return
        self._tail.unfollow(self)
        self.topics = topics
        self._tail.follow(self)

    def wake(self) -> None:
        """There may be something to take."""
        self._replay_due = True
        if self.on_wake is not None:
            self.on_wake()

    def beat(self) -> None:
        """A heartbeat is due."""
        if self._beat_due:  # still, from the last time: the client has taken nothing since
            self._missed_beats += 1
            if self._missed_beats == conf.get("STALLED_HEARTBEATS"):
                self.end_reason = self.end_reason or STALLED
                (self.on_stall or self._close)()
        self._beat_due = True
        self.wake()

    def close(self, reason: str, farewell: bytes = b"") -> None:
        """End the stream: whoever takes from it gets the farewell, and no more."""
        self.end_reason = self.end_reason or reason
        self._close(farewell)

    def _close(self, farewell: bytes = b"") -> None:
        self._closed = True
        self._farewell = farewell
        self.wake()

    @property
    def is_over(self) -> bool:
        return self._closed and not self._farewell

    @property
    def is_behind(self) -> bool:
        """Whether what comes next is not in memory: to be brought there by `replay()`."""
        return (
            self._replay_due
            and not self._closed
            and self._cursor.position < self._tail.start.position
        )

    @property
    def is_up_to_date(self) -> bool:
        """Whether nothing is left to take, by a look at as little as can be.

        False doesn't say that there is something.
        """
        return (
            self._cursor is self._tail.cursor
            and self._follow
            and not (self._beat_due or self._closed or self._replayed)
        )

    def take(self) -> bytes:
        """What the client gets next, in as few pieces as it can take; empty: nothing for now."""
        self._missed_beats = 0
        if self._closed:  # nobody gets a replay after their access has ended
            farewell, self._farewell = self._farewell, b""
            return farewell
        if not self._begun:
            self._begun = True
            return self._opening()
        if chunk := self._read():
            return chunk
        if self._beat_due or not (self._follow or self.is_behind):
            self._beat_due = False
            if not self._follow:
                self._closed = True
                self.end_reason = ALL_SAID
            return wire.heartbeat(self._cursor)
        return b""

    async def replay(self) -> None:
        """Read the next events from the table, for `take()`."""
        topics = self.topics
        try:
            replay = await self._hub.replays(self.name).read(
                self.name,
                topics,
                after=self._cursor,
                through=self._tail.cursor,
                enough=self._tail.middle,
            )
        except DatabaseUnavailable:
            self._replay_due = False  # the next event or heartbeat tries again
            return
        if topics != self.topics:
            return  # it waited for its turn: what was read may no longer be told
        if replay.is_pruned:
            self._replayed = self._reset(PRUNED)
        elif replay.is_other_history:
            self._replayed = self._reset(HISTORY)
        else:
            self._cursor = replay.cursor
            self._replayed = replay.chunk

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The stream, for whoever asks for one chunk after the other."""
        awake = asyncio.Event()
        self.on_wake = awake.set
        try:
            async with self:
                while True:
                    awake.clear()
                    if chunk := self.take():
                        yield chunk
                    elif self.is_over:
                        return
                    elif self.is_behind:
                        await self.replay()
                    else:
                        await awake.wait()
        except DatabaseUnavailable:
            return  # the client comes back with its cursor

    def _opening(self) -> bytes:
        first = b"" if self._is_valid else self._reset(INVALID)
        retry = conf.get("RETRY_MILLISECONDS") if self._follow else ASK_AGAIN_MILLISECONDS
        return wire.opening(random.randint(*retry), self._cursor) + first

    def _read(self) -> bytes:
        """What comes after the cursor and is in memory, and move the cursor behind it."""
        tail = self._tail
        if self._replayed:
            replayed, self._replayed = self._replayed, b""
            return _counted(replayed)
        if self._cursor is tail.cursor:
            return b""
        if self._restarts != tail.restarts and tail.contradicts(self._cursor):
            return _counted(self._reset(HISTORY))
        if self._cursor.position < tail.start.position:
            return b""  # a replay finds out what becomes of the cursor
        self._restarts = tail.restarts
        chunk, self._cursor, events = tail.read(self._cursor.position, self.topics)
        if counts.is_on:
            counts.delivered_events += events
            counts.delivered_bytes += len(chunk)
        return chunk

    def _reset(self, reason: str) -> bytes:
        counts.resets[reason] += 1
        self._cursor, self._restarts = self._tail.cursor, self._tail.restarts
        return wire.reset(reason, self._cursor)


def _counted(chunk: bytes) -> bytes:
    if counts.is_on:
        counts.delivered(chunk)
    return chunk
