"""The streams that are open in this process."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .stream import EventStream


class OpenStreams:
    """All of them, and how many each user has."""

    def __init__(self) -> None:
        self._streams: set[EventStream] = set()
        self._count: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._streams)

    def __iter__(self) -> Iterator["EventStream"]:
        # A copy: whoever goes through them may close some.
        return iter(tuple(self._streams))

    def of(self, user: str) -> int:
        """How many streams a user has open."""
        return self._count[user]

    @contextmanager
    def including(self, stream: "EventStream") -> Iterator[None]:
        """The stream is one of them until the block ends."""
        self._streams.add(stream)
        self._count[stream.access.user] += 1
        try:
            yield
        finally:
            self._streams.remove(stream)
            self._count[stream.access.user] -= 1
            if not self._count[stream.access.user]:
                del self._count[stream.access.user]
