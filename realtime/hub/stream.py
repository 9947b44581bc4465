"""One client's stream: a cursor that moves through the event log.

A stream reads the events after its cursor, and waits when there are none. It reads recent events
from memory and older ones from the table, by the same cursor, so nothing is skipped or repeated. A
client that was away for a week differs from one that is up to date only by its cursor.
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

# The reasons of a `reset`: why the client's cursor can't be honoured.
INVALID = "invalid"  # it is no cursor
HISTORY = "history"  # the log doesn't have its event: the log went back
PRUNED = "pruned"  # the log has lost events after it

# When a client that doesn't follow asks again: after about three seconds, at a random moment.
ASK_AGAIN_MILLISECONDS = (2500, 3500)


class Source(Protocol):
    """What a stream needs of its process's hub: events to read, and to be looked after."""

    def replays(self, stream: str) -> Replays: ...
    def tail(self, stream: str) -> RecentEvents | None: ...
    async def catch_up(self, stream: str) -> RecentEvents: ...
    def add(self, stream: "EventStream") -> None: ...
    def remove(self, stream: "EventStream") -> None: ...


class EventStream:
    """The stream of one client, of some topics or the whole stream.

    access: what it depends on; the default is a grant that never ends.
    cursor: the event after which it begins; None: the client's cursor wasn't valid.
    follow: whether it waits for more events when it has sent all; otherwise it ends then.

    Its writer enters it (`async with`), takes chunks while there are any, and is called back when
    there may be more. Under Django's handler the writer is `chunks()`, otherwise
    `stream_writer.py`.
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
        # Called when there may be more to take.
        self.on_wake: Callable[[], None] | None = None
        self.end_reason: str | None = None
        # Called when the client has stopped reading; None: the stream is closed.
        self.on_stall: Callable[[], None] | None = None
        self._hub = hub
        self.name = name
        self._is_valid = cursor is not None
        self._cursor = START if cursor is None else cursor
        self._follow = follow
        # The tail's number of restarts when the cursor was last checked against it.
        self._restarts: int | None = None
        self._begun = False
        self._closed = False
        self._farewell = b""
        self._beat_due = False
        self._missed_beats = 0
        # The next events have to be read from the table, and that hasn't failed since the last
        # wake.
        self._replay_due = True
        self._replayed = b""

    async def __aenter__(self) -> Self:
        """Raises DatabaseUnavailable: the client comes back with its cursor."""
        # Follow the tail at once, because a tail without followers is dropped after a while.
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
        """Send the events of these topics from now on, after the access was checked again."""
        if topics == self.topics:
            return
        self._tail.unfollow(self)
        self.topics = topics
        self._tail.follow(self)

    def wake(self) -> None:
        """Call the writer back: there may be something to take."""
        self._replay_due = True
        if self.on_wake is not None:
            self.on_wake()

    def beat(self) -> None:
        """Send a heartbeat."""
        if self._beat_due:  # the client has not taken the last one yet
            self._missed_beats += 1
            if self._missed_beats == conf.get("STALLED_HEARTBEATS"):
                self.end_reason = self.end_reason or STALLED
                (self.on_stall or self._close)()
        self._beat_due = True
        self.wake()

    def close(self, reason: str, farewell: bytes = b"") -> None:
        """End the stream: its writer gets the farewell, and no more."""
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
        """Whether the next events aren't in memory, so that `replay()` has to read them."""
        return (
            self._replay_due
            and not self._closed
            and self._cursor.position < self._tail.start.position
        )

    @property
    def is_up_to_date(self) -> bool:
        """Whether nothing is left to take, by a cheap test.

        False doesn't mean that there is something.
        """
        return (
            self._cursor is self._tail.cursor
            and self._follow
            and not (self._beat_due or self._closed or self._replayed)
        )

    def take(self) -> bytes:
        """The next bytes for the client, in one chunk if they fit; empty: nothing for now."""
        self._missed_beats = 0
        if self._closed:  # no event may be sent after the access has ended
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
            self._replay_due = False  # the next event or heartbeat will make it try again
            return
        if topics != self.topics:
            return  # the access ended or changed during the wait, so the result may not be sent
        if replay.is_pruned:
            self._replayed = self._reset(PRUNED)
        elif replay.is_other_history:
            self._replayed = self._reset(HISTORY)
        else:
            self._cursor = replay.cursor
            self._replayed = replay.chunk

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The chunks of the stream one after the other, for Django's handler."""
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
            return  # the client will reconnect with its cursor

    def _opening(self) -> bytes:
        first = b"" if self._is_valid else self._reset(INVALID)
        retry = conf.get("RETRY_MILLISECONDS") if self._follow else ASK_AGAIN_MILLISECONDS
        return wire.opening(random.randint(*retry), self._cursor) + first

    def _read(self) -> bytes:
        """The next events from memory; the cursor moves behind them."""
        tail = self._tail
        if self._replayed:
            replayed, self._replayed = self._replayed, b""
            return _counted(replayed)
        if self._cursor is tail.cursor:
            return b""
        if self._restarts != tail.restarts and tail.contradicts(self._cursor):
            return _counted(self._reset(HISTORY))
        if self._cursor.position < tail.start.position:
            return b""  # a replay will find out whether the cursor can be honoured
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
