"""The counts of a process, for metrics.py: plain numbers, because they are added on the event loop.

Without `prometheus-client`, which would export them, deliveries aren't counted. With it, each
delivery costs two more additions.
"""

from bisect import bisect_left
from collections import Counter
from importlib.util import find_spec
from typing import Any

# In seconds. Numbering takes about a millisecond when all is well.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Histogram:
    """A histogram of durations in seconds."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        # The count of each bucket by itself; the last bucket has no upper bound.
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        # Never negative, even if a clock was set back meanwhile.
        seconds = max(seconds, 0.0)
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds


class Counts:
    """All counts of one process since its start.

    is_on: whether deliveries are counted as well, which takes time for each client and event.
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
        self.replays: Counter[str] = Counter()  # by the server that answered: primary or standby
        self.failed_replays = 0
        self.replay_seconds = Histogram()
        # Numbering a batch of waiting events.
        self.number_seconds = Histogram()
        # From reading a batch of events to having written it to all clients that keep up.
        self.write_seconds = Histogram()
        # From the insertion of a batch's oldest row to its position.
        self.insert_to_number_seconds = Histogram()
        self.insert_to_write_seconds = Histogram()

    def delivered(self, chunk: bytes) -> None:
        """Count the events of a chunk that was written to a client."""
        self.delivered_events += chunk.count(b"\n\n")  # it occurs only at the end of each event
        self.delivered_bytes += len(chunk)

    def as_dict(self) -> dict[str, Any]:
        """All counts as JSON-serialisable values."""
        told = {name: value for name, value in vars(self).items() if name != "is_on"}
        for name, value in told.items():
            if isinstance(value, Histogram):
                told[name] = {"counts": value.counts, "sum": value.sum}
        return told

    def add(self, others: dict[str, Any]) -> None:
        """Add the counts of another process, as its `as_dict()` returned them."""
        for name, value in others.items():
            own = getattr(self, name, None)
            if isinstance(own, Histogram):
                own.counts = [a + b for a, b in zip(own.counts, value["counts"], strict=True)]
                own.sum += value["sum"]
            elif isinstance(own, Counter):
                own.update(value)
            elif own is not None:  # otherwise a process of another version has an additional count
                setattr(self, name, own + value)


counts = Counts(is_on=find_spec("prometheus_client") is not None)
