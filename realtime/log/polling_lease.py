"""Polling leases: while many events come, a process polls for them instead of being notified.

A notification after each commit is cheap until there are hundreds a second: each is a statement of
its own for the writer, and wakes every process that listens. So a process that finds several events
at once, or many one after the other, takes out a lease: it polls until a certain time, and nobody
needs to notify it until then. The lease is a row of a table (`models.PollingLease`), which a writer
reads before it notifies, and remembers while it lasts.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

# A poll that finds this many events begins a lease, or prolongs it.
BUSY_ROWS = 8
# This many events within this time do so too, even if each poll finds few: a single busy writer
# causes them. At that rate nearly every poll finds something, so polling costs no more than
# notifications would. The shorter the time is, the fewer writers of a rush notify.
BUSY_EVENTS = 16
BUSY_SECONDS = 0.05
# Nearly every transaction commits sooner than this after its event. A slower one notifies.
LEASE_SECONDS = 0.2
# After a poll the process rests this many times as long as the poll took, so a busier database has
# more events for the next one; but it never rests for a shorter or a longer time than these.
REST = 4
REST_SECONDS = (0.005, 0.05)

# When this little is left of a lease, one thread asks whether it goes on, and the others rely on
# its answer. Otherwise all threads would ask when the lease ends.
RENEWAL_SECONDS = LEASE_SECONDS / 4
# To ask whether a process polls takes three times as long as to notify. So after the answer “no” a
# process notifies this many times without asking, for the length of a lease at most: when a rush
# begins, each process sends at most this many notifications too many.
UNASKED_NOTIFICATIONS = 7


class KnownLease:
    """What this process knows of the lease of one stream. Times are by time.monotonic().

    All threads that publish share it without a lock. If two use it at once, both may ask, or one
    notification may not be counted: that costs one statement more, and nothing else.

    until: a process polls the stream until then, as far as this process was told.
    """

    __slots__ = ("_renewed", "_unasked", "_unasked_until", "until")

    def __init__(self) -> None:
        self.until = 0.0
        # A thread asks or has asked what follows the lease that ends then.
        self._renewed = 0.0
        # How many notifications may still be sent without asking, and until when.
        self._unasked = 0
        self._unasked_until = 0.0

    def covers(self, committed_at: float) -> bool:
        """Whether a process is certain to find an event that was committed then.

        The last poll of a lease begins after the end of the lease. When the lease ends soon, the
        first caller is told no, so that it asks the database; the others are not.
        """
        until = self.until
        if until - committed_at >= RENEWAL_SECONDS:
            return True
        if until <= committed_at or self._renewed != until:
            self._renewed = until
            return False
        return True

    def note_held(self, *, until: float) -> None:
        """The database answered that a process polls until then."""
        self.until = until

    def note_free(self, *, asked_at: float) -> None:
        """The database was asked then, and answered that nobody polls."""
        self.until = 0.0
        self._unasked = UNASKED_NOTIFICATIONS
        self._unasked_until = asked_at + LEASE_SECONDS

    def may_notify_unasked(self) -> bool:
        """Whether nobody was found to poll a short time ago. Counts the notification to come."""
        if self._unasked < 1 or self._unasked_until <= time.monotonic():
            return False
        self._unasked -= 1
        return True


class KnownLeases:
    """What this process knows of the leases of all streams, in all databases."""

    def __init__(self) -> None:
        self._leases: dict[tuple[str, str], KnownLease] = {}

    def of(self, database: str, stream: str) -> KnownLease:
        """What is known of the lease of a stream in a database, given by its alias."""
        known = self._leases.get((database, stream))
        return known or self._leases.setdefault((database, stream), KnownLease())

    def forget(self) -> None:
        """Rely on no lease any more that this process was told of."""
        self._leases.clear()


@dataclass
class PollingLease:
    """A stream that this process polls.

    until: the poll that ends the lease begins then or later.
    next_poll: when to poll next.
    """

    until: float
    next_poll: float


class PollingLeases:
    """The streams that this process polls, by the clock of its event loop."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._leases: dict[str, PollingLease] = {}
        # How many events of each stream came since then, and which streams were busy before.
        self._came: Counter[str] = Counter()
        self._came_since = clock()
        self._busy: set[str] = set()

    def __contains__(self, stream: str) -> bool:
        return stream in self._leases

    @property
    def next_poll(self) -> float:
        return min((lease.next_poll for lease in self._leases.values()), default=inf)

    def due(self) -> set[str]:
        """The streams to poll now."""
        now = self._clock()
        return {name for name, lease in self._leases.items() if lease.next_poll <= now}

    def busy_rows(self, stream: str) -> int:
        """How many events a poll has to find now, to begin a lease or prolong it."""
        elapsed = self._clock() - self._came_since
        if elapsed >= BUSY_SECONDS:
            many = BUSY_EVENTS * elapsed / BUSY_SECONDS
            self._busy = {name for name, count in self._came.items() if count >= many}
            self._came.clear()
            self._came_since += elapsed
        return 1 if stream in self._busy else BUSY_ROWS

    def polled(
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
        """Note that a stream was polled.

        began: when the poll began.
        found: how many events it found.
        finished: false if another session was numbering the stream, perhaps since an earlier time.
        leased: whether the database has the lease now.
        more: whether more events wait than one poll takes.
        replaced: whether it found events that newer ones had replaced. The longer the rest, the
            more of them never need a position.
        """
        self._came[stream] += found
        now = self._clock()
        shortest, longest = REST_SECONDS
        if more:
            next_poll = now
        elif replaced:
            next_poll = now + longest
        else:
            next_poll = now + min(max(REST * (now - began), shortest), longest)
        lease = self._leases.get(stream)
        if leased:
            # It begins now: the database's clock_timestamp() was earlier.
            self._leases[stream] = PollingLease(now + LEASE_SECONDS, next_poll)
        elif lease is not None and finished and began >= lease.until:
            del self._leases[stream]
        elif lease is not None:
            lease.next_poll = next_poll
