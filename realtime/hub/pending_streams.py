"""The streams that are said to have events that wait: so many of them, and no more.

Anybody who may connect to the database may notify, and hint at a hundred thousand names. What
doesn't find room here is found by looking into the table, which knows.
"""

from collections.abc import Container

MOST = 1000


class PendingStreams:
    def __init__(self) -> None:
        # Some names had no room: look into the table.
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
        """Forget all names but these: whoever calls this looks into the table."""
        self._names = {name for name in self._names if name in streams}

    def take(self) -> set[str]:
        """The names that have come together; from now on others do."""
        names, self._names = self._names, set()
        self.overflowed = False
        return names
