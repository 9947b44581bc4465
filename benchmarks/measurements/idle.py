"""What an idle stream costs: memory, threads, sessions of the database, and CPU."""

import time
from typing import NamedTuple

from ..site import Site
from ..streams import Streams

FEW = 5
# What is left behind by opening them has gone by then, and the collector has run.
SETTLE_SECONDS = 2


class Idle(NamedTuple):
    """kilobytes: the proportional set size that each stream adds to the process.

    few and many: threads (and sessions, where there is a database) with 5 streams, and with all.
    cpu_percent: of one core, with all of them open and nothing to tell.
    """

    streams: int
    kilobytes: float
    threads_few: int
    threads_many: int
    sessions_few: int | None
    sessions_many: int | None
    cpu_percent: float


def measure(site: Site, streams: Streams, count: int, *, cpu_seconds: float) -> Idle:
    _open(site, streams, FEW)
    memory_few, threads_few = site.process.memory_kilobytes, site.process.threads
    sessions_few = getattr(site, "sessions", None)
    _open(site, streams, count)
    memory, threads = site.process.memory_kilobytes, site.process.threads
    sessions = getattr(site, "sessions", None)
    busy, began = site.process.cpu_seconds, time.monotonic()
    time.sleep(cpu_seconds)
    busy, took = site.process.cpu_seconds - busy, time.monotonic() - began
    streams.close()
    return Idle(
        streams=count,
        kilobytes=(memory - memory_few) / (count - FEW),
        threads_few=threads_few,
        threads_many=threads,
        sessions_few=sessions_few,
        sessions_many=sessions,
        cpu_percent=100 * busy / took,
    )


def _open(site: Site, streams: Streams, count: int) -> None:
    opened = streams.open(site.own_requests(count))
    if opened.open < count:
        raise RuntimeError(
            f"{site.name}: only {opened.open} of {count} streams opened "
            f"(the last status was {opened.last_status})."
        )
    time.sleep(SETTLE_SECONDS)
