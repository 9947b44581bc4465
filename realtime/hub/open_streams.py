"""The streams that are open in this process."""

from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .stream import EventStream


class OpenStreams:
    """All of them, and how many each user has."""

    def __init__(self) -> None:
        # Each with a running number, by which work on all of them can be spread over time.
        self._numbers: dict[EventStream, int] = {}
        self._next_number = count()
        self._count: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, stream: "EventStream") -> bool:
        return stream in self._numbers

    def __iter__(self) -> Iterator["EventStream"]:
        # A copy: whoever goes through them may close some.
        return iter(tuple(self._numbers))

    def share(self, part: int, parts: int) -> list["EventStream"]:
        """The streams of one of several parts of about the same size; each stays in its part."""
        return [stream for stream, number in self._numbers.items() if number % parts == part]

    def of(self, user: str) -> int:
        """How many streams a user has open."""
        return self._count[user]

    def add(self, stream: "EventStream") -> None:
        self._numbers[stream] = next(self._next_number)
        self._count[stream.access.user] += 1

    def remove(self, stream: "EventStream") -> None:
        del self._numbers[stream]
        self._count[stream.access.user] -= 1
        if not self._count[stream.access.user]:
            del self._count[stream.access.user]
