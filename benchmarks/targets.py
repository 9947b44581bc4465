"""What was to be reached, and whether it was."""

from collections.abc import Callable
from typing import NamedTuple

from .results import Median, Results

# Most people's server, and the one that `runserver` is.
BEST = "ours-daphne"


class Target(NamedTuple):
    """What was to be reached. value: None where the run has not measured it."""

    what: str
    text: str
    value: Callable[[Results, str], float | None]
    is_reached: Callable[[float, Results], bool]
    unit: str = ""


def _of(measure: str, key: str) -> Callable[[Results, str], float | None]:
    def value(results: Results, site: str) -> float | None:
        median = results.median(measure, site, key)
        return median and median.value

    return value


def _below(limit: float) -> Callable[[float, Results], bool]:
    return lambda value, results: value < limit


def _above(limit: float) -> Callable[[float, Results], bool]:
    return lambda value, results: value > limit


def _of_checkouts(name: str, key: str) -> Callable[[Results, str], float | None]:
    """With publishing, over without."""

    def value(results: Results, site: str) -> float | None:
        on = results.median("checkout on", name, key)
        off = results.median("checkout off", name, key)
        return on.value / off.value if site == BEST and on and off else None

    return value


def _of_logs(key: str) -> Callable[[Results, str], float | None]:
    """In the longest log, over in the shortest."""

    def value(results: Results, site: str) -> float | None:
        logs = [measure for measure in _measures(results) if measure.startswith("log of ")]
        logs.sort(key=lambda measure: int(measure.split()[2]))
        if site != BEST or len(logs) < 2:
            return None
        ends = [results.median(measure, site, key) for measure in (logs[-1], logs[0])]
        return ends[0].value / ends[1].value

    return value


def _measures(results: Results) -> list[str]:
    return list(dict.fromkeys(figure.measure for figure in results.figures))


def _of_two_processes(results: Results, site: str) -> float | None:
    key = "deliveries_per_cpu_second"
    one, two = (results.median(f"{count} processes", site, key) for count in (1, 2))
    return 2 * two.value / one.value if one and two else None


def _more_than_nchan(value: float, results: Results) -> bool:
    nchan = results.median("broadcast", "nchan", "deliveries_per_second")
    return nchan is None or value > nchan.value


TARGETS = [
    Target("threads with all streams open", "< 20", _of("idle", "threads_many"), _below(20)),
    Target("sessions with all streams open", "< 6", _of("idle", "sessions_many"), _below(6)),
    Target("PSS of an idle stream", "< 20 kB", _of("idle", "kilobytes"), _below(20), "kB"),
    Target("CPU with all streams idle", "< 2 %", _of("idle", "cpu_percent"), _below(2), "%"),
    Target(
        "broadcast, deliveries a second",
        "more than nchan",
        _of("broadcast", "deliveries_per_second"),
        _more_than_nchan,
    ),
    Target("10 orders/s to all, p50", "< 12 ms", _of("calm", "p50_ms"), _below(12), "ms"),
    Target("10 orders/s to all, p99", "< 40 ms", _of("calm", "p99_ms"), _below(40), "ms"),
    *(
        Target(
            f"{rate:,} orders/s to their customers, {key[:3]}",
            f"< {limit} ms",
            _of(f"customers at {rate}", key),
            _below(limit),
            "ms",
        )
        for rate, key, limit in ((500, "p50_ms", 10), (500, "p99_ms", 40), (3000, "p99_ms", 150))
    ),
    *(
        Target(
            f"checkouts, with publishing ÷ without: {way}, disk +{disk} ms",
            f"> {limit}",
            _of_checkouts(f"{way}, +{disk} ms", "per_second"),
            _above(limit),
        )
        for way, limit in (("SQL", 0.6), ("ORM", 0.65))
        for disk in (0, 1)
    ),
    *(
        Target(
            f"p99 of a checkout at 100/s, with ÷ without: {way}, disk +{disk} ms",
            "< 1.5",
            _of_checkouts(f"{way} at 100, +{disk} ms", "p99_ms"),
            _below(1.5),
        )
        for way in ("SQL", "ORM")
        for disk in (0, 1)
    ),
    *(
        Target(
            f"a lone writer's checkout{when}, p50, with ÷ without: ORM, disk +{disk} ms",
            f"< {limit}",
            _of_checkouts(f"lone writer{when}, +{disk} ms", "p50_ms"),
            _below(limit),
        )
        for when, limit in ((" at 20", 1.15), ("", 1.4))
        for disk in (0, 1)
    ),
    Target("reconnect storm, what is recent", "< 1 s", _of("storm", "seconds"), _below(1), "s"),
    Target(
        "reconnect storm, from the table",
        "< 2 s",
        _of("storm from the table", "seconds"),
        _below(2),
        "s",
    ),
    Target(
        "queries at a time in that storm",
        "bounded",
        _of("storm from the table", "queries"),
        _below(20),
    ),
    Target(
        "streams opened a second",
        "> 1,500",
        lambda results, site: opened.value if (opened := opened_a_second(results, site)) else None,
        _above(1500),
    ),
    *(
        Target(f"{what} in a long log ÷ in a short one", "< 1.3", _of_logs(key), _below(1.3))
        for what, key in (
            ("replay", "replay_ms"),
            ("publication", "publication_ms"),
            ("page", "page_ms"),
        )
    ),
    Target("two processes ÷ one", "> 1.7", _of_two_processes, _above(1.7)),
]


def opened_a_second(results: Results, site: str) -> Median | None:
    streams = results.all("connecting", site, "streams")
    seconds = results.all("connecting", site, "seconds")
    rates = sorted(count / took for count, took in zip(streams, seconds, strict=True))
    if not rates:
        return None
    return Median(rates[len(rates) // 2], rates[0], rates[-1], len(rates))
