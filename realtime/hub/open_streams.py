"""The open streams of this process, and the places reserved for streams about to open."""

from collections import Counter
from collections.abc import Iterator
from itertools import count
from threading import RLock
from typing import Protocol

from ..access.grants import Grant, is_anonymous
from ..counts import counts
from ..log.topics import EVERYTHING, Selection, Topics
from .garbage import StreamsAside

# Why streams end, for the metrics and the log.
CLIENT_LEFT = "client"
ACCESS_ENDED = "access"
UNVERIFIED = "unverified"  # its access could not be checked in time
DRAINED = "drained"  # its process is about to end
STALLED = "stalled"  # its client has stopped reading
ALL_SAID = "all_said"  # it was not to follow, and has sent all events
FAILED = "failed"  # writing it failed


class OpenStream(Protocol):
    """A stream as its process looks after it.

    end_reason: why the process ends it; None: it goes on, or its client has left.
    """

    access: Grant
    name: str
    topics: Topics
    end_reason: str | None

    def beat(self) -> None: ...
    def close(self, reason: str, farewell: bytes = b"") -> None: ...
    def change_topics(self, topics: Topics) -> None: ...


class Place:
    """A place that is reserved for a stream, and given back when no reference to it is left.

    The request may end in many ways, in several threads, and not all of them call anything: the
    last reference is the only sure sign.
    """

    __slots__ = ("_streams", "_user")

    def __init__(self, streams: "OpenStreams", user: str) -> None:
        self._streams = streams
        self._user = user

    def __del__(self) -> None:
        self._streams.give_back(self._user)


class OpenStreams:
    """All open streams, and how many each user has. Any thread may reserve places."""

    def __init__(self) -> None:
        # Each with a running number, by which work on all streams is spread over time.
        self._numbers: dict[OpenStream, int] = {}
        self._next_number = count()
        # Guards the counts below, in which places count as streams. It is reentrant because the
        # garbage collector may give a place back at any point of the same thread.
        self._lock = RLock()
        self._places = 0
        self._anonymous = 0
        self._count: Counter[str] = Counter()
        self._streams_aside = StreamsAside()

    def __len__(self) -> int:
        return len(self._numbers) + self._places

    def __contains__(self, stream: OpenStream) -> bool:
        return stream in self._numbers

    def __iter__(self) -> Iterator[OpenStream]:
        # A copy, because the caller's loop may close streams.
        return iter(tuple(self._numbers))

    def share(self, part: int, parts: int) -> list[OpenStream]:
        """The streams of one part, of `parts` of about equal size. A stream stays in its part."""
        return [stream for stream, number in self._numbers.items() if number % parts == part]

    def by_kind(self) -> Counter[str]:
        """How many streams follow everything, some types of events, or topics alone."""
        return Counter(map(_kind, self._numbers))

    def by_user(self) -> Counter[str]:
        """How many streams each user has open."""
        return Counter(stream.access.user for stream in self._numbers)

    def of(self, user: str) -> int:
        """How many streams a user has open."""
        return self._count[user]

    @property
    def anonymous(self) -> int:
        """How many streams are open for visitors who aren't signed in."""
        return self._anonymous

    def reserve(self, grant: Grant, most: int, most_of_user: int) -> bool:
        """Reserve a place for the stream of this grant; False if there is none.

        most: how many streams the process may have. most_of_user: how many this user may have.
        """
        with self._lock:
            if len(self) >= most or self._count[grant.counted_as] >= most_of_user:
                return False
            self._places += 1
            self._add(grant.counted_as)
        grant.place = Place(self, grant.counted_as)
        return True

    def give_back(self, user: str) -> None:
        with self._lock:
            self._places -= 1
            self._subtract(user)

    def add(self, stream: OpenStream) -> None:
        with self._lock:
            self._numbers[stream] = next(self._next_number)
            self._add(stream.access.counted_as)
        counts.opened[_kind(stream)] += 1
        stream.access.place = None  # it is counted as a stream from now on
        self._streams_aside.opened()

    def remove(self, stream: OpenStream) -> None:
        with self._lock:
            del self._numbers[stream]
            self._subtract(stream.access.counted_as)
        counts.ended[stream.end_reason or CLIENT_LEFT] += 1
        self._streams_aside.ended()

    def tidy(self) -> None:
        """Called once a second, see garbage.py."""
        self._streams_aside.tidy()

    def _add(self, user: str) -> None:
        self._count[user] += 1
        self._anonymous += is_anonymous(user)

    def _subtract(self, user: str) -> None:
        self._anonymous -= is_anonymous(user)
        self._count[user] -= 1
        if not self._count[user]:
            del self._count[user]


def _kind(stream: OpenStream) -> str:
    """What a stream follows, as a label for the metrics."""
    if stream.topics is EVERYTHING:
        return "everything"
    return "types" if isinstance(stream.topics, Selection) else "topics"
