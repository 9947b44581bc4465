"""All that a run measures, step by step. The sites take turns, so that each has its share of
whatever else the machine is at: A B C, A B C, A B C, not A A A, B B B, C C C."""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, NamedTuple

from realtime.models import OutboxEvent

from . import people, placing
from .contestants import PEERS
from .cores import Cores
from .database import Database
from .measurements import (
    checkout,
    connecting,
    delivery,
    idle,
    log_size,
    storm,
    two_processes,
)
from .plan import OURS, Plan
from .results import Results
from .site import ours
from .streams import streams_to

CALM_PER_SECOND = 10
# A checkout by one writer alone, through the ORM: what its customer waits for.
LONE = "lone writer"
# Where the search for the highest rate begins in the first round; later ones begin nearby.
FIRST_GUESS = {"ours-daphne": 1000.0, "ours-uvicorn": 1000.0, "nchan": 100.0}
ANY_GUESS = 20.0
BEGIN_NEARBY = 0.8


class Step(NamedTuple):
    """A part of the run that can't be cut any smaller."""

    part: str
    name: str
    run: Callable[[], None]


class Suite:
    """say: what to tell whoever is waiting."""

    def __init__(
        self,
        plan: Plan,
        database: Database,
        cores: Cores,
        results: Results,
        say: Callable[[str], None],
    ) -> None:
        self.plan = plan
        self.database = database
        self.cores = cores
        self.results = results
        self.say = say
        self._fastest: dict[str, float] = {}

    def steps(self) -> Iterator[Step]:
        for round in range(1, self.plan.rounds + 1):
            for part in self.plan.parts:
                yield from getattr(self, f"_{part}")(round)

    # Every site

    def _crowd(self, round: int) -> Iterator[Step]:
        for name in self._available():
            yield Step("crowd", name, functools.partial(self._measure_crowd, name, round))

    def _measure_crowd(self, name: str, round: int) -> None:
        with self._started(name) as site, streams_to(site.port, self.cores.load) as streams:
            readers = self.plan.streams
            self._add("connecting", name, round, connecting.measure(site, streams, readers))
            streams.open(site.requests(readers))
            calm = delivery.measure(
                site, streams, CALM_PER_SECOND, self.plan.calm_seconds, readers=readers
            )
            self._add("calm", name, round, calm)
            guess = self._fastest.get(name, FIRST_GUESS.get(name, ANY_GUESS))
            fastest = delivery.highest(
                lambda rate: delivery.measure(
                    site, streams, rate, self.plan.seconds, readers=readers
                ),
                guess,
                say=lambda tried: self._add("attempt", name, round, tried),
            )
            if fastest:
                self._add("broadcast", name, round, fastest)
                self._fastest[name] = fastest.per_second * BEGIN_NEARBY

    def _idle(self, round: int) -> Iterator[Step]:
        for name in self._available():
            yield Step("idle", name, functools.partial(self._measure_idle, name, round))

    def _measure_idle(self, name: str, round: int) -> None:
        with self._started(name) as site, streams_to(site.port, self.cores.load) as streams:
            found = idle.measure(
                site, streams, self.plan.idle_streams, cpu_seconds=self.plan.idle_seconds
            )
            self._add("idle", name, round, found)

    def _storm(self, round: int) -> Iterator[Step]:
        for name in self._available():
            if name in OURS or PEERS[name].replays:
                yield Step("storm", name, functools.partial(self._measure_storm, name, round))
        for name in self._ours():
            step = functools.partial(self._measure_storm_from_table, name, round)
            yield Step("storm", f"{name}, from the table", step)

    def _measure_storm(self, name: str, round: int) -> None:
        with (
            self._started(name, replays=True) as site,
            streams_to(site.port, self.cores.load) as streams,
            streams_to(site.port, self.cores.load) as follower,
        ):
            found = storm.recent(site, streams, follower, self.plan.streams, self.plan.missed)
            self._add("storm", name, round, found)

    def _measure_storm_from_table(self, name: str, round: int) -> None:
        customers = people.customers(self.plan.customers)
        with self._started(name) as site:
            cursor = site.cursor()
            for _ in range(self.plan.missed):
                placing.in_sql_for(customers)
            self._wait_until_numbered(site)
        # Another process: this one would still have the latest in its memory.
        with self._started(name) as site, streams_to(site.port, self.cores.load) as streams:
            with self.database.watching_queries(name) as most_queries:
                found = storm.come_back(
                    streams,
                    people.own_streams(customers, after=cursor),
                    self.plan.missed,
                    most_queries=most_queries,
                )
            self._add("storm from the table", name, round, found)

    def _wait_until_numbered(self, site: Any) -> None:
        with streams_to(site.port, self.cores.load) as streams:
            streams.open(site.requests(1))
            while OutboxEvent.objects.exists():
                streams.wait_for(1, 0.1)

    # Ours only

    def _customers(self, round: int) -> Iterator[Step]:
        for name in self._ours():
            yield Step("customers", name, functools.partial(self._measure_customers, name, round))

    def _measure_customers(self, name: str, round: int) -> None:
        customers = people.customers(self.plan.customers)
        with self._started(name) as site, streams_to(site.port, self.cores.load) as streams:
            streams.open(people.own_streams(customers))
            for rate in self.plan.customer_rates:
                found = delivery.measure(
                    site,
                    streams,
                    rate,
                    self.plan.calm_seconds,
                    readers=1,
                    publish=functools.partial(placing.place, customers=customers),
                )
                self._add(f"customers at {rate}", name, round, found)

    def _checkout(self, round: int) -> Iterator[Step]:
        for disk in self.plan.disks:
            for way, rates in (
                ("SQL", self.plan.checkout_rates),
                ("ORM", self.plan.checkout_rates),
                (LONE, self.plan.lone_rates),
            ):
                for rate in rates:
                    for publishing in (False, True):
                        name = f"{way}{f' at {rate}' if rate else ''}, +{disk} ms"
                        yield Step(
                            "checkout",
                            f"{name}, {'on' if publishing else 'off'}",
                            functools.partial(
                                self._measure_checkout, name, round, disk, way, rate, publishing
                            ),
                        )

    def _measure_checkout(
        self, name: str, round: int, disk: int, way: str, rate: int | None, publishing: bool
    ) -> None:
        """On all cores, with a server that listens or without one."""
        customers = people.customers(100)
        self.database.settle()
        with ExitStack() as resources:
            self.database.run_on(self.cores.all)
            resources.callback(self.database.run_on, self.cores.load)
            if disk:
                resources.enter_context(self.database.commits_take(disk))
            if publishing:
                site = resources.enter_context(
                    ours(self.database, "daphne", self.cores.all, name="ours-daphne")
                )
                streams = resources.enter_context(streams_to(site.port, self.cores.all))
                streams.open(site.requests(1))
            common = {"publishing": publishing, "per_second": rate}
            if way == "SQL":
                keys = (customers[0].pk, customers[-1].pk)
                found = checkout.in_sql(
                    self.database, self.cores.all, keys, self.plan.checkout_seconds, **common
                )
            else:
                found = checkout.through_orm(
                    self.database,
                    self.cores.all,
                    self.plan.checkout_seconds,
                    writers=1 if way == LONE else checkout.WRITERS,
                    **common,
                )
        self._add(f"checkout {'on' if publishing else 'off'}", name, round, found)

    def _log(self, round: int) -> Iterator[Step]:
        for events in self.plan.log_events:
            yield Step(
                "log", f"{events} events", functools.partial(self._measure_log, events, round)
            )

    def _measure_log(self, events: int, round: int) -> None:
        log_size.fill(events)
        self.database.settle()
        with (
            self._started("ours-daphne") as site,
            streams_to(site.port, self.cores.load) as streams,
        ):
            found = log_size.measure(site, streams, events, self.plan.calm_seconds)
            self._add(f"log of {events}", "ours-daphne", round, found)

    def _processes(self, round: int) -> Iterator[Step]:
        for count in (1, 2):
            step = functools.partial(self._measure_processes, count, round)
            yield Step("processes", str(count), step)

    def _measure_processes(self, count: int, round: int) -> None:
        with ExitStack() as resources:
            sites, programs = [], []
            for number, cores in enumerate((self.cores.server, self.cores.load)[:count], start=1):
                name = f"ours-daphne-{number}"
                site = resources.enter_context(ours(self.database, "daphne", cores, name=name))
                sites.append(site)
                programs.append(resources.enter_context(streams_to(site.port, self.cores.load)))
            found = two_processes.measure(
                sites,
                programs,
                self.plan.streams,
                self.plan.together_per_second,
                self.plan.calm_seconds,
            )
            self._add(f"{count} processes", "ours-daphne", round, found)

    # Who takes part

    def _started(self, name: str, *, replays: bool = False) -> AbstractContextManager[Any]:
        if name in OURS:
            self.database.settle()
            return ours(self.database, name.removeprefix("ours-"), self.cores.server, name=name)
        return PEERS[name].start(self.cores.server, replays)

    def _ours(self) -> Sequence[str]:
        return [name for name in self._available() if name in OURS]

    def _available(self) -> Sequence[str]:
        return [name for name in self.plan.sites if name not in self.results.skipped]

    def _add(self, measure: str, site: str, round: int, measured: Any) -> None:
        self.results.add(measure, site, round, measured)
        self.say(f"{measure}, {site}: {_in_short(measured._asdict())}")


def _in_short(values: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {round(value, 2) if isinstance(value, float) else value}"
        for name, value in values.items()
    )
