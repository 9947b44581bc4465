"""What a process counts, for metrics.py. Plain numbers, for an event loop that has no time to lose.

Without `prometheus-client`, which would tell them, no delivery is counted. With it, each costs
two additions more.
"""

from bisect import bisect_left
from collections import Counter
from importlib.util import find_spec
from typing import Any

# In seconds. From a hint to a number it is about a millisecond where nothing is amiss.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Histogram:
    """How often something took how long, in seconds."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        # Of each bucket alone, the last one without an upper end.
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        # A clock that was set back has no say in how long something took.
        seconds = max(seconds, 0.0)
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds


class Counts:
    """All counts of one process, since it began.

    is_on: whether deliveries are counted too, which takes time for each client and event.
    """

    def __init__(self, *, is_on: bool) -> None:
        self.is_on = is_on
        self.opened: Counter[str] = Counter()  # by kind
        self.rejected: Counter[str] = Counter()  # by status and reason: “503 full”
        self.ended: Counter[str] = Counter()  # by reason
        self.published: Counter[str] = Counter()  # by stream
        self.numbered: Counter[str] = Counter()  # by stream
        self.delivered_events = 0
        self.delivered_bytes = 0
        self.resets: Counter[str] = Counter()  # by reason
        self.replays: Counter[str] = Counter()  # by who has answered: primary or standby
        self.failed_replays = 0
        self.replay_seconds = Histogram()
        # Of a batch of events that waited for their numbers.
        self.number_seconds = Histogram()
        # From having read events to having written them to all clients that keep up.
        self.write_seconds = Histogram()
        # Of the event of a batch that has waited longest, since its row was inserted.
        self.insert_to_number_seconds = Histogram()
        self.insert_to_write_seconds = Histogram()

    def delivered(self, chunk: bytes) -> None:
        """A client has been given events."""
        self.delivered_events += chunk.count(b"\n\n")  # which stands at the end of each, only
        self.delivered_bytes += len(chunk)

    def as_dict(self) -> dict[str, Any]:
        """All of them, as JSON can hold it."""
        told = {name: value for name, value in vars(self).items() if name != "is_on"}
        for name, value in told.items():
            if isinstance(value, Histogram):
                told[name] = {"counts": value.counts, "sum": value.sum}
        return told

    def add(self, others: dict[str, Any]) -> None:
        """Add what another process has counted, as its `as_dict()` says."""
        for name, value in others.items():
            own = getattr(self, name, None)
            if isinstance(own, Histogram):
                own.counts = [a + b for a, b in zip(own.counts, value["counts"], strict=True)]
                own.sum += value["sum"]
            elif isinstance(own, Counter):
                own.update(value)
            elif own is not None:  # else a process of another version counts something more
                setattr(self, name, own + value)


counts = Counts(is_on=find_spec("prometheus_client") is not None)
