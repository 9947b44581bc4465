"""The streams that notifications say have waiting events: a limited number of them.

Any role that may connect to the database may notify, and name a hundred thousand streams. Streams
that find no room here are found by a query to the table.
"""

from collections.abc import Container

MOST = 1000


class PendingStreams:
    """A bounded set of streams with waiting events."""

    def __init__(self) -> None:
        # Some names had no room: query the table.
        self.overflowed = False
        self._names: set[str] = set()

    def __len__(self) -> int:
        return len(self._names)

    def add(self, stream: str) -> None:
        if len(self._names) < MOST or stream in self._names:
            self._names.add(stream)
        else:
            self.overflowed = True

    def keep(self, streams: Container[str]) -> None:
        """Forget all names but these: the caller queries the table for the others."""
        self._names = {name for name in self._names if name in streams}

    def take(self) -> set[str]:
        """Return all names, and forget them."""
        names, self._names = self._names, set()
        self.overflowed = False
        return names
