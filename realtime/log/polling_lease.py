"""Polling leases: while many events come, a process polls instead of hearing of each.

A hint for every commit is cheap until there are thousands: each is a statement of its own for who
commits, and wakes every process that listens. So a process that finds several events at once
promises to go on looking, and for as long nobody needs to hint. The promise stands in a table
(`models.Watch`), where `publish()` finds it as it writes an event.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

# So many events at one look are the beginning of a watch, and prolong it.
BUSY_ROWS = 8
# Longer than nearly every commit takes from its event on: who needs more time hints after all.
LEASE_SECONDS = 0.2
# A look is followed by a rest of so many times what it took, so that the busier the database is,
# the more come together for the next; but not by less or more than this.
REST = 4
REST_SECONDS = (0.005, 0.05)


@dataclass
class PollingLease:
    """until: the look that ends it begins then or later."""

    until: float
    next_look: float


class PollingLeases:
    """The streams that this process watches, by the clock of its event loop."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._watches: dict[str, PollingLease] = {}

    def __contains__(self, stream: str) -> bool:
        return stream in self._watches

    @property
    def next_look(self) -> float:
        return min((watch.next_look for watch in self._watches.values()), default=inf)

    def due(self) -> set[str]:
        """The streams to look at now."""
        now = self._clock()
        return {name for name, watch in self._watches.items() if watch.next_look <= now}

    def looked(
        self, stream: str, *, began: float, finished: bool, promised: bool, more: bool
    ) -> None:
        """There was a look at a stream.

        began: when. finished: not if another session was at it, that might have looked earlier.
        promised: to watch from now on. more: it took no more than a batch of what there is.
        """
        now = self._clock()
        shortest, longest = REST_SECONDS
        next_look = now if more else now + min(max(REST * (now - began), shortest), longest)
        watch = self._watches.get(stream)
        if promised:
            # From now, which is later than the database's clock_timestamp() was.
            self._watches[stream] = PollingLease(now + LEASE_SECONDS, next_look)
        elif watch is not None and finished and began >= watch.until:
            del self._watches[stream]
        elif watch is not None:
            watch.next_look = next_look
