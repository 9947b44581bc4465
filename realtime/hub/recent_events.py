"""The recent events of one stream in this process's memory, and the streams that wait for more."""

import logging
from collections import deque
from collections.abc import Iterable, Sequence
from time import perf_counter
from typing import NamedTuple, Protocol

from ..counts import counts
from ..log.cursor import Cursor
from ..log.event_log import RecentEvent
from ..log.topics import EVERYTHING, Everything, Selection, Topics, named
from ..log.wire import CHUNK_BYTES

# At the level DEBUG it logs each event, or several that come together, for a terminal.
logger = logging.getLogger("realtime.delivery")

# How many joined chunks are kept. A few suffice: clients that keep up are all at the same
# positions.
JOINED_CHUNKS = 8

# What wakes a follower: the events of a topic, all events, or the events of some types.
Key = str | Everything | frozenset[str]

# Events after a position: those of these types (None: of none) and topics (None: of all).
Part = tuple[int, frozenset[str] | None, frozenset[str] | None]


class Piece(NamedTuple):
    """The next piece of the stream for a reader.

    chunk: the bytes of its events; empty: there are none for this reader.
    cursor: the reader's cursor after the piece.
    events: how many events the chunk has.
    """

    chunk: bytes
    cursor: Cursor
    events: int


class Follower(Protocol):
    """A reader of the events of some topics, or of the whole stream."""

    topics: Topics

    def wake(self) -> None: ...


class RecentEvents:
    """The events of a stream after `start` and up to `cursor`, without a gap.

    Because there is no gap and positions ascend by one, the events after a position are a slice.

    restarts: how often it has restarted. A cursor that was checked against it before the last
        restart has to be checked again.
    """

    def __init__(self, cursor: Cursor, *, keep_events: int, keep_bytes: int) -> None:
        self.start = cursor
        self.cursor = cursor
        self.restarts = 0
        self._keep_events = keep_events
        self._keep_bytes = keep_bytes
        self._bytes = 0
        self._events: deque[RecentEvent] = deque()
        # The events that have not been replaced, by topic.
        self._by_topic: dict[str, deque[RecentEvent]] = {}
        # For each topic and key the newest event, which the next one replaces.
        self._latest: dict[tuple[str, str], RecentEvent] = {}
        # Followers in the order in which they came, which is mostly their order in memory: waking a
        # thousand of them takes 4 % less than in a set's order.
        self._followers: dict[Key, dict[Follower, None]] = {}
        # The keys of _followers that are types.
        self._followed_types: set[frozenset[str]] = set()
        # The last batch: the position before it, and its topics. Readers that keep up are at that
        # position, and differ only in which of these topics they follow.
        self._batch_after = cursor.position
        self._batch_topics: frozenset[str] = frozenset()
        # Readers whose next events are the same get the same bytes.
        self._joined: dict[Part, Piece] = {}

    @property
    def is_followed(self) -> bool:
        return bool(self._followers)

    @property
    def position(self) -> int:
        """The last position."""
        return self.cursor.position

    @property
    def middle(self) -> Cursor | None:
        """An event in memory that isn't among the newest, if there is one.

        A reader that has come so far can go on from memory, even if memory moves on meanwhile.
        """
        position = (self.start.position + self.position) // 2
        mark = self.mark_at(position)
        return None if mark is None else Cursor(position, mark)

    def mark_at(self, position: int) -> int | None:
        """The mark of the event at a position, from `start` to `cursor`."""
        if position == self.start.position:
            return self.start.mark
        return self._events[position - self.start.position - 1].cursor.mark

    def contradicts(self, cursor: Cursor) -> bool:
        """Whether it has another event at the cursor's position, or ends before it.

        Events before its start are unknown, so it never contradicts a cursor there.
        """
        if cursor.position < self.start.position:
            return False
        return cursor.position > self.position or cursor.mark != self.mark_at(cursor.position)

    def follow(self, follower: Follower) -> None:
        """From now on, wake the follower whenever something arrives for one of its topics."""
        for key in _keys(follower.topics):
            self._followers.setdefault(key, {})[follower] = None
            if isinstance(key, frozenset):
                self._followed_types.add(key)

    def unfollow(self, follower: Follower) -> None:
        for key in _keys(follower.topics):
            group = self._followers[key]
            group.pop(follower, None)
            if not group:
                del self._followers[key]
                if isinstance(key, frozenset):
                    self._followed_types.discard(key)

    def append(self, events: Iterable[RecentEvent]) -> int:
        """Add the next events of the stream and wake their followers.

        After a gap (the process was behind, and the log was pruned meanwhile) it restarts behind
        the gap. A client whose cursor lies before the gap goes on from the table.

        Returns how many followers were woken.
        """
        self._joined.clear()
        added: list[RecentEvent] = []
        for event in events:
            if event.position <= self.position:
                continue
            if event.position != self.position + 1:
                self.restarts += 1
                self._forget_all(Cursor(event.position - 1, None))
            self._add(event)
            added.append(event)
        if added:
            self._batch_after = added[0].position - 1
            self._batch_topics = frozenset(event.topic for event in added)
        while len(self._events) > self._keep_events or self._bytes > self._keep_bytes:
            self._forget_oldest()
        woken = 0
        if added:
            types = {event.type for event in added}
            concerned = [one for one in self._followed_types if not one.isdisjoint(types)]
            woken = self._wake({EVERYTHING, *concerned, *self._batch_topics})
            if logger.isEnabledFor(logging.DEBUG):
                _tell(added, woken)
        return woken

    def restart(self, cursor: Cursor) -> None:
        """Restart at this event, because the log is no longer the one that was read."""
        self.restarts += 1
        self._forget_all(cursor)
        self._wake(set(self._followers))

    def read(self, after: int, topics: Topics) -> Piece:
        """The events of these topics after a position, which has to be in memory:
        `start.position <= after <= position`.

        The result is shared by all readers with the same next events, even if they follow other
        topics without new events.
        """
        types = own = None
        if topics is not EVERYTHING:
            if isinstance(topics, Selection):
                types, topics = topics.types, topics.topics
            keeps_up = after >= self._batch_after
            own = self._batch_topics.intersection(topics) if keeps_up else frozenset(topics)
        piece = self._joined.get((after, types, own))
        if piece is None:
            if len(self._joined) >= JOINED_CHUNKS:
                self._joined.clear()
            piece = self._joined[after, types, own] = self._join(self._select(after, types, own))
        return piece

    def _select(
        self, after: int, types: frozenset[str] | None, topics: frozenset[str] | None
    ) -> list[RecentEvent]:
        """The events of a Part."""
        if topics is None:
            return self._newer(self._events, after)
        if types is not None:
            newer = self._newer(self._events, after)
            return [event for event in newer if event.type in types or event.topic in topics]
        own = [self._newer(self._by_topic.get(topic, ()), after) for topic in topics]
        if len(own) == 1:
            return own[0]
        return sorted((event for events in own for event in events), key=_position)

    @staticmethod
    def _newer(events: Sequence[RecentEvent], after: int) -> list[RecentEvent]:
        newer = []
        for event in reversed(events):  # newest first, because a follower is rarely far behind
            if event.position <= after:
                break
            newer.append(event)
        newer.reverse()
        return newer

    def _join(self, events: list[RecentEvent]) -> Piece:
        size, cursor = 0, self.cursor
        for count, event in enumerate(events):
            size += len(event.chunk)
            if size > CHUNK_BYTES and count:
                events, cursor = events[:count], events[count - 1].cursor
                break
        chunks = [event.chunk for event in events if event.chunk]
        return Piece(b"".join(chunks), cursor, len(chunks))

    def _add(self, event: RecentEvent) -> None:
        self._events.append(event)
        self.cursor = event.cursor
        if not event.chunk:  # replaced before it was read from the table
            return
        self._bytes += len(event.chunk)
        self._by_topic.setdefault(event.topic, deque()).append(event)
        if event.key:
            replaced = self._latest.get((event.topic, event.key))
            if replaced is not None:
                self._bytes -= len(replaced.chunk)
                replaced.chunk = b""
            self._latest[event.topic, event.key] = event

    def _forget_oldest(self) -> None:
        event = self._events.popleft()
        self._bytes -= len(event.chunk)
        self.start = event.cursor
        own = self._by_topic.get(event.topic)
        if own and own[0] is event:
            own.popleft()
            if not own:
                del self._by_topic[event.topic]
        if event.key and self._latest.get((event.topic, event.key)) is event:
            del self._latest[event.topic, event.key]

    def _forget_all(self, cursor: Cursor) -> None:
        self._events.clear()
        self._by_topic.clear()
        self._latest.clear()
        self._joined.clear()
        self._bytes = 0
        self.start = self.cursor = cursor
        self._batch_after, self._batch_topics = cursor.position, frozenset()

    def _wake(self, keys: Iterable[Key]) -> int:
        """Wake the followers of these keys, and return how many there were."""
        began = perf_counter()
        # A copy with each follower once: waking a follower may end its stream and unfollow it.
        woken: dict[Follower, None] = {}
        for key in keys:
            woken.update(self._followers.get(key, {}))
        for follower in woken:
            follower.wake()
        if counts.is_on:
            counts.write_seconds.observe(perf_counter() - began)
        return len(woken)


def _tell(events: list[RecentEvent], streams: int) -> None:
    """Log events that so many streams were woken for; `record.events` holds the events."""
    first, last = events[0], events[-1]
    what = first.topic if len(events) == 1 else f"{len(events)} events"
    where = f"event {last.position}"
    if len(events) > 1:
        where = f"events {first.position} to {last.position}"
    logger.debug(
        "%s → %s → %d stream%s",
        what,
        where,
        streams,
        "" if streams == 1 else "s",
        extra={"events": events},
    )


def _keys(topics: Topics) -> Iterable[Key]:
    if topics is EVERYTHING:
        return (EVERYTHING,)
    if isinstance(topics, Selection):
        return (topics.types, *topics.topics)
    return named(topics)


def _position(event: RecentEvent) -> int:
    return event.position
