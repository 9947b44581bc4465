"""What is measured of a running server: a function for each question.

Each hands its figures to `record(key, value)` as soon as it has them, so that what fails later
doesn't take them along. What the keys mean, and what a user feels of them, is in page.py.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

from . import nchan
from .machine import Cores, cpu_seconds, kilobytes
from .streams import Received, Request, Streams, streams_to
from .trees import Tree, Worker

Record = Callable[[str, float], None]
FEW = 5
# What is left behind by opening them has gone by then, and the collector has run.
SETTLE_SECONDS = 2
LATE_SECONDS = 10
WRITERS, WRITING_PROCESSES = 32, 4


class Incomplete(Exception):
    """Not everybody got what they should have; so there is no figure."""


class Sizes(NamedTuple):
    """Of what, and for how many seconds each is measured."""

    warm: int = 200
    opened: int = 2000
    readers: int = 1000
    delivery_seconds: float = 10.0
    missed: int = 100
    idle: int = 5000
    idle_seconds: float = 20.0
    checkout_seconds: float = 1.5
    flat_out_seconds: float = 0.6
    writers_seconds: float = 1.0

    def times(self, share: float) -> "Sizes":
        """This share of each."""
        return Sizes._make(
            max(10, round(size * share)) if isinstance(size, int) else max(0.3, size * share)
            for size in self
        )


def opening(tree: Tree, server: str, sizes: Sizes, record: Record) -> None:
    """How many streams a second a warm process opens."""
    customers, staff = tree.customers(sizes.opened), tree.staff(sizes.readers)
    with tree.server(server) as running, streams_to(running.port, tree.cores.load) as streams:
        for key, requests in (("opened", customers), ("opened_all", staff)):
            opened(streams, requests[: sizes.warm])
            record(key, len(requests) / opened(streams, requests))


def opened(streams: Streams, requests: Sequence[Request], at_a_time: int | None = None) -> float:
    """Open all of these, and return the seconds that it took. Raises Incomplete."""
    found = streams.open(requests, **({"at_a_time": at_a_time} if at_a_time else {}))
    if found.open < len(requests):
        raise Incomplete(
            f"Only {found.open} of {len(requests)} streams opened (the last status was "
            f"{found.last_status})."
        )
    return found.seconds


def delivery(tree: Tree, server: str, sizes: Sizes, record: Record) -> None:
    """How late ten events a second are at a thousand clients."""
    requests = tree.staff(sizes.readers)
    with tree.server(server) as running, streams_to(running.port, tree.cores.load) as streams:

        def publish(seconds: float) -> int:
            return tree.worker.ask("publish", per_second=10, seconds=seconds)

        _deliver(streams, requests, publish, sizes, record)


def _deliver(
    streams: Streams,
    requests: Sequence[Request],
    publish: Callable[[float], int],
    sizes: Sizes,
    record: Record,
) -> None:
    opened(streams, requests)
    # What the first events cost once is not what is measured.
    _all(streams, publish(0.5) * len(requests))
    received = _all(streams, publish(sizes.delivery_seconds) * len(requests))
    if received.doubled:
        raise Incomplete(f"{received.doubled} events came twice, or out of order.")
    record("p50", received.p50_ms)
    record("p99", received.p99_ms)


def _all(streams: Streams, events: int) -> Received:
    """Wait for so many. Raises Incomplete."""
    received = streams.wait_for(events, LATE_SECONDS)
    if received.events != events or received.ended:
        raise Incomplete(
            f"{received.events:,} of {events:,} events came; {received.ended} streams were ended."
        )
    return received


def storm(tree: Tree, server: str, sizes: Sizes, record: Record) -> None:
    """All come back in the same moment, each with events that it has missed."""
    load = tree.cores.load
    with (
        tree.server(server) as running,
        streams_to(running.port, load) as streams,
        streams_to(running.port, load) as follower,
    ):
        staff = tree.staff(sizes.readers)
        opened(streams, staff[: sizes.warm])
        streams.close()
        # Somebody stays, as nearly always; or the server would forget what is recent.
        opened(follower, staff[:1])
        cursor = tree.worker.ask("cursor")
        _all(follower, tree.worker.ask("publish", per_second=sizes.missed, seconds=1))
        staff = tree.staff(sizes.readers, after=cursor)
        record("storm_recent", _come_back(streams, staff, sizes.missed))
        streams.close()
        tree.customers(sizes.readers)  # so that there are so many
        cursor = tree.worker.ask("cursor")
        tree.worker.ask("let_miss", customers=sizes.readers, events=sizes.missed)
    # Another process: this one would still have the latest in its memory.
    with tree.server(server) as running, streams_to(running.port, load) as streams:
        opened(streams, tree.customers(sizes.warm))
        customers = tree.customers(sizes.readers, after=cursor)
        record("storm_table", _come_back(streams, customers, sizes.missed))


def _come_back(streams: Streams, requests: Sequence[Request], missed: int) -> float:
    """Seconds from the first connection until the last client had its last event."""
    seconds = opened(streams, requests, at_a_time=len(requests))
    received = streams.wait_for(len(requests) * missed, LATE_SECONDS)
    if received.events < len(requests) * missed:
        raise Incomplete(
            f"{received.events:,} of {len(requests) * missed:,} missed events came back."
        )
    # Up to the last event or, where that came with the first chunk, the last response.
    return max(received.seconds_to_last, seconds)


def idle(tree: Tree, server: str, sizes: Sizes, record: Record) -> None:
    """What streams cost that have nothing to tell, in a fresh process; and its longest pause.

    A process that was used before re-uses the memory it was given, and looks better.
    """
    customers = tree.customers(sizes.idle)
    with tree.server(server) as running, streams_to(running.port, tree.cores.load) as streams:
        opened(streams, customers[:FEW])
        time.sleep(SETTLE_SECONDS)
        memory = kilobytes(running.process)
        running.forget_pauses()
        opened(streams, customers)
        time.sleep(SETTLE_SECONDS)
        memory = kilobytes(running.process) - memory
        record("kilobytes", memory / (len(customers) - FEW))
        busy, began = cpu_seconds(running.process), time.monotonic()
        time.sleep(sizes.idle_seconds)
        busy = cpu_seconds(running.process) - busy
        record("cpu", 100 * busy / (time.monotonic() - began))
        record("pause", running.longest_pause)


def checkout(tree: Tree, server: str, sizes: Sizes, record: Record) -> None:
    """What an order pays for its events: with them ÷ without, by turns.

    With a process that listens, numbers and streams; on all cores.
    """
    cores = tree.cores.all
    tree.customers(100)  # who place the orders
    with ExitStack() as resources:
        resources.callback(tree.database.run_on, tree.cores.load)
        tree.database.run_on(cores)
        _listen(tree, server, resources)
        writer = resources.enter_context(tree.another_worker(cores))
        for key, per_second, seconds in (
            ("lone", 20.0, sizes.checkout_seconds),
            ("lone_flat_out", None, sizes.flat_out_seconds),
        ):
            without, with_events = _by_turns([writer], 1, seconds, per_second)
            record(f"{key}_ms", statistics.median(with_events))
            record(key, statistics.median(with_events) / statistics.median(without))
    with ExitStack() as resources, tree.database.slower_commits(1):
        resources.callback(tree.database.run_on, tree.cores.load)
        tree.database.run_on(cores)
        _listen(tree, server, resources)
        workers = [
            resources.enter_context(tree.another_worker(cores)) for _ in range(WRITING_PROCESSES)
        ]
        without, with_events = _by_turns(workers, WRITERS // len(workers), sizes.writers_seconds)
        record("writers", len(with_events) / len(without))


def _listen(tree: Tree, server: str, resources: ExitStack) -> None:
    running = resources.enter_context(tree.server(server, cores=tree.cores.all))
    streams = resources.enter_context(streams_to(running.port, tree.cores.all))
    opened(streams, tree.staff(1))


def _by_turns(
    workers: Sequence[Worker], threads: int, seconds: float, per_second: float | None = None
) -> tuple[list[float], list[float]]:
    """Milliseconds of each order without its events, and with them.

    In short turns, for what a commit takes changes from one second to the next.
    """
    taken: dict[bool, list[float]] = {False: [], True: []}
    turns = (False, True, *(True, False, False, True) * 2)
    for number, publishing in enumerate(turns):
        for worker in workers:
            worker.send(
                "check_out",
                threads=threads,
                # The first two turns only warm up.
                seconds=seconds if number > 1 else 0.3,
                per_second=per_second,
                publishing=publishing,
            )
        for worker in workers:
            milliseconds = worker.answer()
            if number > 1:
                taken[publishing] += milliseconds
    return taken[False], taken[True]


PARTS = {part.__name__: part for part in (opening, delivery, storm, idle, checkout)}


# A peer, to have a measure of the machine in the same run


def nchan_delivery(cores: Cores, sizes: Sizes, record: Record) -> None:
    with nchan.running(cores) as running, streams_to(running.port, cores.load) as streams:
        requests = [Request(nchan.STREAM)] * sizes.readers
        publish = partial(nchan.publish, running.port)
        _deliver(streams, requests, publish, sizes, record)


def nchan_idle(cores: Cores, sizes: Sizes, record: Record) -> None:
    with nchan.running(cores) as running, streams_to(running.port, cores.load) as streams:
        requests = [Request(nchan.STREAM)] * sizes.idle
        opened(streams, requests[:FEW])
        memory = kilobytes(running.process)
        opened(streams, requests)
        memory = kilobytes(running.process) - memory
        record("kilobytes", memory / (sizes.idle - FEW))


PEER_PARTS = {"delivery": nchan_delivery, "idle": nchan_idle}
