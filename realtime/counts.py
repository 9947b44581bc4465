"""What a process counts, for metrics.py. Plain numbers, for an event loop that has no time to lose.

Without `prometheus-client`, which would tell them, no delivery is counted. With it, each costs
two additions more.
"""

from bisect import bisect_left
from collections import Counter
from importlib.util import find_spec

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
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds


class Counts:
    """All counts of one process, since it began.

    is_on: whether deliveries are counted too, which takes time for each client and event.
    """

    def __init__(self, *, is_on: bool) -> None:
        self.is_on = is_on
        self.opened: Counter[str] = Counter()  # by kind
        self.rejected: Counter[int] = Counter()  # by status
        self.ended: Counter[str] = Counter()  # by whom
        self.hung_up = 0
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

    def delivered(self, chunk: bytes) -> None:
        """A client has been given events."""
        self.delivered_events += chunk.count(b"\n\n")  # which stands at the end of each, only
        self.delivered_bytes += len(chunk)


counts = Counts(is_on=find_spec("prometheus_client") is not None)
