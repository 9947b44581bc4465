"""The streams that are open in this process, and the places kept for those about to be."""

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
UNVERIFIED = "unverified"  # nobody could look in time whether it still may be
DRAINED = "drained"  # its process is about to end
STALLED = "stalled"  # its client has stopped reading
ALL_SAID = "all_said"  # it was not to wait for more
FAILED = "failed"  # it could not be written


class OpenStream(Protocol):
    """What a process looks after, whoever reads it.

    end_reason: why it ends; None as long as nobody but its client has ended it.
    """

    access: Grant
    name: str
    topics: Topics
    end_reason: str | None

    def beat(self) -> None: ...
    def close(self, reason: str, farewell: bytes = b"") -> None: ...
    def change_topics(self, topics: Topics) -> None: ...


class Place:
    """Kept for a stream that is about to be opened; given back when nobody refers to it.

    The request that it was kept for may end in many ways, in several threads: some of them drop
    what they have without a word.
    """

    __slots__ = ("_streams", "_user")

    def __init__(self, streams: "OpenStreams", user: str) -> None:
        self._streams = streams
        self._user = user

    def __del__(self) -> None:
        self._streams.give_back(self._user)


class OpenStreams:
    """All of them, and how many each user has. Places are reserved by any thread."""

    def __init__(self) -> None:
        # Each with a running number, by which work on all of them can be spread over time.
        self._numbers: dict[OpenStream, int] = {}
        self._next_number = count()
        # Guards what follows, which counts places as streams. Reentrant: a place may be given back
        # by the garbage collector, at any point of the same thread.
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
        # A copy: whoever goes through them may close some.
        return iter(tuple(self._numbers))

    def share(self, part: int, parts: int) -> list[OpenStream]:
        """The streams of one of several parts of about the same size; each stays in its part."""
        return [stream for stream, number in self._numbers.items() if number % parts == part]

    def by_kind(self) -> Counter[str]:
        """How many follow everything in their stream, types of events, or topics alone."""
        return Counter(map(_kind, self._numbers))

    def by_user(self) -> Counter[str]:
        """How many each user has."""
        return Counter(stream.access.user for stream in self._numbers)

    def of(self, user: str) -> int:
        """How many streams a user has open."""
        return self._count[user]

    @property
    def anonymous(self) -> int:
        """How many are open for visitors who aren't signed in."""
        return self._anonymous

    def reserve(self, grant: Grant, most: int, most_of_user: int) -> bool:
        """Keep a place for the stream of this grant; False if there is none.

        most: how many streams there may be. most_of_user: how many of this user.
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
    """For the metrics, by what it follows."""
    if stream.topics is EVERYTHING:
        return "everything"
    return "types" if isinstance(stream.topics, Selection) else "topics"
