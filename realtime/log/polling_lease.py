"""Polling leases: while many events come, a process polls instead of hearing of each.

A hint for every commit is cheap until there are hundreds: each is a statement of its own for who
commits, and wakes every process that listens. So a process that finds several events at once, or
many one after the other, takes out a lease: it goes on looking, and for as long nobody needs to
hint. The lease stands in a table (`models.PollingLease`), where who would hint finds it, and
remembers it for as long as it lasts.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

# So many events at one look are the beginning of a lease, and prolong it.
BUSY_ROWS = 8
# So many within this time are, too, however few come at once: those of one busy writer. At that
# rate nearly every look finds something, so that they cost no more than hints would. The shorter
# the time, the fewer of a rush's orders pay for a hint.
BUSY_EVENTS = 16
BUSY_SECONDS = 0.05
# Longer than nearly every commit takes from its event on: who needs more time hints after all.
LEASE_SECONDS = 0.2
# A look is followed by a rest of so many times what it took, so that the busier the database is,
# the more come together for the next; but not by less or more than this.
REST = 4
REST_SECONDS = (0.005, 0.05)

# Until when somebody polls a stream of a database, by this process's clock, as far as it was told.
leased_until: dict[tuple[str, str], float] = {}
# When so little is left of it, one asks for all threads whether it goes on: it is known before it
# ends then, and else all of them would ask.
RENEWAL_SECONDS = LEASE_SECONDS / 4
# Somebody asks or has asked what follows the lease that ends then.
_renewed: dict[tuple[str, str], float] = {}


def is_polled(database: str, stream: str, *, at: float) -> bool:
    """Whether somebody polls this stream for certain, and the caller need not ask again.

    at: when, by time.monotonic(). The last look of the lease begins later.
    """
    until = leased_until.get((database, stream), at)
    if until - at >= RENEWAL_SECONDS:
        return True
    if until <= at or _renewed.get((database, stream)) != until:
        # Of two threads at once both may ask: that is a look-up, and nothing else.
        _renewed[database, stream] = until
        return False
    return True


# To ask whether somebody polls takes three times as long as to hint. That nobody does is believed
# for so many hints more, and no longer than a lease lasts: so at the beginning of a rush each
# process sends at most this many too many.
UNASKED_HINTS = 7
# Until when, by this process's clock, and for how many hints more.
_unasked: dict[tuple[str, str], tuple[float, int]] = {}


def somebody_polls(database: str, stream: str, *, until: float) -> None:
    """The database was asked about this stream. until: by time.monotonic()."""
    leased_until[database, stream] = until


def nobody_polls(database: str, stream: str, *, at: float) -> None:
    """The database was asked about this stream at that time, by time.monotonic()."""
    leased_until.pop((database, stream), None)
    _unasked[database, stream] = at + LEASE_SECONDS, UNASKED_HINTS


def may_hint_unasked(database: str, stream: str) -> bool:
    """Whether to take it that still nobody polls this stream. Counts the hint that follows."""
    until, hints = _unasked.get((database, stream), (0.0, 0))
    if hints < 1 or until <= time.monotonic():
        return False
    # Of two threads at once one may go uncounted: that is a hint, and nothing else.
    _unasked[database, stream] = until, hints - 1
    return True


def forget_leases() -> None:
    """What this process was told of who polls may hold no longer."""
    leased_until.clear()
    _renewed.clear()
    _unasked.clear()


@dataclass
class PollingLease:
    """until: the look that ends it begins then or later."""

    until: float
    next_look: float


class PollingLeases:
    """The streams that this process polls, by the clock of its event loop."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._leases: dict[str, PollingLease] = {}
        # How many events of each stream came since then, and which were busy in the time before.
        self._came: Counter[str] = Counter()
        self._came_since = clock()
        self._busy: set[str] = set()

    def __contains__(self, stream: str) -> bool:
        return stream in self._leases

    @property
    def next_look(self) -> float:
        return min((lease.next_look for lease in self._leases.values()), default=inf)

    def due(self) -> set[str]:
        """The streams to look at now."""
        now = self._clock()
        return {name for name, lease in self._leases.items() if lease.next_look <= now}

    def busy_rows(self, stream: str) -> int:
        """How many events at a look now would be the beginning of a lease, or prolong it."""
        elapsed = self._clock() - self._came_since
        if elapsed >= BUSY_SECONDS:
            many = BUSY_EVENTS * elapsed / BUSY_SECONDS
            self._busy = {name for name, count in self._came.items() if count >= many}
            self._came.clear()
            self._came_since += elapsed
        return 1 if stream in self._busy else BUSY_ROWS

    def looked(
        self,
        stream: str,
        *,
        began: float,
        found: int,
        finished: bool,
        leased: bool,
        more: bool,
        replaced: bool = False,
    ) -> None:
        """There was a look at a stream.

        began: when. found: how many events.
        finished: not if another session was at it, that might have looked earlier.
        leased: to be polled from now on. more: it took no more than a batch of what there is.
        replaced: it found events that newer ones had replaced: the longer the rest, the more of
            them never need a position.
        """
        self._came[stream] += found
        now = self._clock()
        shortest, longest = REST_SECONDS
        if more:
            next_look = now
        elif replaced:
            next_look = now + longest
        else:
            next_look = now + min(max(REST * (now - began), shortest), longest)
        lease = self._leases.get(stream)
        if leased:
            # From now, which is later than the database's clock_timestamp() was.
            self._leases[stream] = PollingLease(now + LEASE_SECONDS, next_look)
        elif lease is not None and finished and began >= lease.until:
            del self._leases[stream]
        elif lease is not None:
            lease.next_look = next_look
