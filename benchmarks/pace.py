"""Publishing at a rate, and the mark by which the reader of an event knows it (streams.c)."""

import itertools
import time
from collections.abc import Callable
from typing import NamedTuple

# Whatever has become due since the last tick is published together.
TICK_SECONDS = 0.01

_numbers = itertools.count(1)


class Published(NamedTuple):
    """events: how many. seconds: from the first to the end of the last. behind: it took longer
    than it may at this rate, so the rate was not reached."""

    events: int
    seconds: float
    behind: bool


def mark() -> str:
    """`load NUMBER TIME`, for an event whose transaction (or request) begins now."""
    return f"load {next(_numbers)} {time.time_ns() // 1000}"


def at_rate(per_second: float, seconds: float, publish: Callable[[int], None]) -> Published:
    """Call `publish` at each tick with the number of events that have become due."""
    total = max(1, round(per_second * seconds))
    tick = max(TICK_SECONDS, 1 / per_second)
    done = 0
    began = time.monotonic()
    while done < total:
        elapsed = time.monotonic() - began
        due = min(total, int(elapsed * per_second) + 1)
        if due > done:
            publish(due - done)
            done = due
        else:
            time.sleep(tick - elapsed % tick)
    took = time.monotonic() - began
    return Published(total, took, behind=took > seconds * 1.05 + 0.1)
