"""The tail of one stream: its recent events in this process's memory, and who waits for more."""

from collections import deque
from collections.abc import Iterable
from typing import Protocol

from ..log.event_log import RecentEvent
from ..log.wire import CHUNK_BYTES

# How many joined chunks are kept: clients that keep up all stand at the same few positions.
JOINED_CHUNKS = 8


class Follower(Protocol):
    """Somebody who reads a tail: for one recipient, or for the whole stream (None)."""

    recipient: str | None

    def wake(self) -> None: ...


class RecentEvents:
    """Events `start + 1` to `position` of a stream, without a hole.

    That there is no hole is what makes one integer a cursor: positions ascend by one, so what
    comes after a position is a slice.
    """

    def __init__(self, position: int, *, keep_events: int, keep_bytes: int) -> None:
        self.start = position
        self.position = position
        self._keep_events = keep_events
        self._keep_bytes = keep_bytes
        self._bytes = 0
        self._events: deque[RecentEvent] = deque()
        self._by_recipient: dict[str, deque[RecentEvent]] = {}
        self._followers: dict[str | None, set[Follower]] = {}
        # Clients of the whole stream that stand at the same position get the same bytes.
        self._joined: dict[int, tuple[bytes, int]] = {}

    @property
    def is_followed(self) -> bool:
        return bool(self._followers)

    def follow(self, follower: Follower) -> None:
        """From now on, wake the follower whenever something arrives for its recipient."""
        self._followers.setdefault(follower.recipient, set()).add(follower)

    def unfollow(self, follower: Follower) -> None:
        group = self._followers[follower.recipient]
        group.remove(follower)
        if not group:
            del self._followers[follower.recipient]

    def append(self, events: Iterable[RecentEvent]) -> None:
        """Add the next events of the stream and wake those whom they concern.

        After a hole (the process was behind, and the log was pruned meanwhile) the tail begins
        anew behind it; a client that stood before the hole goes on from the table, which knows.
        """
        self._joined.clear()
        recipients: set[str | None] = set()
        for event in events:
            if event.position <= self.position:
                continue
            if event.position != self.position + 1:
                self._forget_all(event.position - 1)
            self._events.append(event)
            self._by_recipient.setdefault(event.recipient, deque()).append(event)
            self._bytes += len(event.chunk)
            self.position = event.position
            recipients.add(event.recipient)
        while len(self._events) > self._keep_events or self._bytes > self._keep_bytes:
            self._forget_oldest()
        if recipients:
            self._wake(recipients | {None})

    def restart(self, position: int) -> None:
        """Begin anew at a position, because the log itself went back (a restored backup)."""
        self._forget_all(position)
        self._wake(set(self._followers))

    def read(self, after: int, recipient: str | None) -> tuple[bytes, int]:
        """What comes after a position for a recipient (None: for everybody), as one chunk.

        `start <= after <= position`. Returns the chunk, empty if there is nothing, and the
        position it leads to, which is the next one to read after.
        """
        if recipient is not None:
            return self._join(self._newer(self._by_recipient.get(recipient, ()), after))
        if after not in self._joined:
            if len(self._joined) >= JOINED_CHUNKS:
                self._joined.clear()
            self._joined[after] = self._join(self._newer(self._events, after))
        return self._joined[after]

    @staticmethod
    def _newer(events: Iterable[RecentEvent], after: int) -> list[RecentEvent]:
        newer = []
        for event in reversed(events):  # from the new end: a follower is rarely far behind
            if event.position <= after:
                break
            newer.append(event)
        newer.reverse()
        return newer

    def _join(self, events: list[RecentEvent]) -> tuple[bytes, int]:
        size = 0
        for count, event in enumerate(events):
            size += len(event.chunk)
            if size > CHUNK_BYTES and count:
                return b"".join(e.chunk for e in events[:count]), events[count - 1].position
        return b"".join(event.chunk for event in events), self.position

    def _forget_oldest(self) -> None:
        event = self._events.popleft()
        self._bytes -= len(event.chunk)
        self.start = event.position
        own = self._by_recipient[event.recipient]
        own.popleft()
        if not own:
            del self._by_recipient[event.recipient]

    def _forget_all(self, position: int) -> None:
        self._events.clear()
        self._by_recipient.clear()
        self._joined.clear()
        self._bytes = 0
        self.start = self.position = position

    def _wake(self, recipients: set[str | None]) -> None:
        for recipient in recipients:
            # A copy: who is woken may be written to, and leave, there and then.
            for follower in tuple(self._followers.get(recipient, ())):
                follower.wake()
