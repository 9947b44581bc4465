"""How late events arrive at a rate, and the highest rate at which they still arrive in time."""

from collections.abc import Callable
from typing import NamedTuple

from ..pace import Published
from ..site import Site
from ..streams import Streams

# In time, for the highest rate: 99 of 100 within this.
IN_TIME_MS = 1000
LATE_SECONDS = 2
# After this an event that has not come is lost.
LOST_SECONDS = 10
STEP = 1.6
SLOWEST = 2
BISECTIONS = 2


class Delivery(NamedTuple):
    """events: that were published, each to so many streams of those open as `expected` says.

    Latencies run from before the transaction (or the request that publishes) to the client's read.
    server_percent, load_percent: of one core, the server's process and the load generator's.
    """

    per_second: float
    events: int
    expected: int
    arrived: int
    deliveries_per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    slowest_ms: float
    lost: int
    doubled: int
    hung_up: int
    publisher_behind: bool
    server_percent: float
    load_percent: float
    events_a_read: float

    @property
    def in_time(self) -> bool:
        all_came = not (self.lost or self.doubled or self.hung_up)
        return all_came and self.p99_ms < IN_TIME_MS


def measure(
    site: Site,
    streams: Streams,
    per_second: float,
    seconds: float,
    *,
    readers: int,
    publish: Callable[[float, float], Published] | None = None,
) -> Delivery:
    """Publish at this rate for so long to streams that are open; readers: of each event."""
    streams.report()
    busy = site.process.cpu_seconds
    published = (publish or site.publish)(per_second, seconds)
    expected = published.events * readers
    received = streams.wait_for(expected, LATE_SECONDS)
    late = 0
    if received.events < expected:
        late = streams.wait_for(expected - received.events, LOST_SECONDS).events
    return Delivery(
        per_second=per_second,
        events=published.events,
        expected=expected,
        arrived=received.events,
        deliveries_per_second=received.events / received.seconds_to_last
        if received.events
        else 0.0,
        p50_ms=received.p50_ms,
        p95_ms=received.p95_ms,
        # What has not come yet is later than whatever has.
        p99_ms=max(received.p99_ms, 1000.0 * LATE_SECONDS if late > expected / 100 else 0.0),
        slowest_ms=received.slowest_ms,
        lost=expected - received.events - late,
        # A peer is posted to on several connections: its events may come in another order.
        doubled=received.doubled if site.keeps_order else 0,
        hung_up=received.ended,
        publisher_behind=published.behind,
        server_percent=100 * (site.process.cpu_seconds - busy) / received.seconds,
        load_percent=100 * received.cpu_seconds / received.seconds,
        events_a_read=received.events / max(1, received.reads),
    )


def highest(
    attempt: Callable[[float], Delivery], start: float, *, say: Callable[[Delivery], None]
) -> Delivery | None:
    """The most deliveries in time: in steps up or down from `start`, then halfway, twice.

    attempt: from events a second to what came of it. None: not even the slowest was in time.
    """

    def keeps_up(per_second: float) -> bool:
        nonlocal best
        delivery = attempt(per_second)
        say(delivery)
        # Also where the site has held the publisher up: then what it did is all that it can.
        faster = best is None or delivery.deliveries_per_second > best.deliveries_per_second
        if delivery.in_time and faster:
            best = delivery
        return delivery.in_time and not delivery.publisher_behind

    best: Delivery | None = None
    passed = start
    if keeps_up(passed):
        while keeps_up(passed * STEP):
            passed *= STEP
    else:
        passed /= STEP
        while not keeps_up(passed):
            passed /= STEP
            if passed < SLOWEST:
                return best
    failed = passed * STEP
    for _ in range(BISECTIONS):
        middle = (passed + failed) / 2
        if keeps_up(middle):
            passed = middle
        else:
            failed = middle
    return best
