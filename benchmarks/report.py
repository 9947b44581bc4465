"""Writes a run's results: the figures as they are, a page with tables, and the plots on it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from . import plots
from .plan import OURS
from .results import Median, Results
from .targets import BEST, TARGETS, Target, opened_a_second

# What they are called on the page.
NAMES = {
    "ours-daphne": "this project, daphne",
    "ours-uvicorn": "this project, uvicorn",
    "nchan": "nchan (nginx, C)",
    "bare-django-daphne": "bare Django view, daphne",
    "bare-django-uvicorn": "bare Django view, uvicorn",
    "sse-starlette": "sse-starlette, uvicorn",
    "django-eventstream": "django-eventstream, daphne",
}


def write(results: Results, folder: Path) -> None:
    """Everything of this run into the folder, over what an earlier run of its plan has left."""
    folder.mkdir(parents=True, exist_ok=True)
    results.write(folder / f"{results.plan}.json")
    pictures = []
    for plot in PLOTS:
        bars = list(plot.bars(results))
        if bars:
            name = f"{results.plan}-{plot.name}.svg"
            (folder / name).write_text(plots.bars(plot.title, plot.unit, bars))
            pictures.append(f"![{plot.title}]({name})")
    parts = [
        f"# The benchmark, {results.plan} run",
        "Written by `python -m benchmarks "
        f"{results.plan}`; [`benchmarks/README.md`](../../benchmarks/README.md) has the method.",
        _where(results),
        "## Against what else one could choose",
        _peers(results),
        *pictures,
        "## What was to be reached",
        _targets(results),
    ]
    (folder / f"{results.plan}.md").write_text("\n\n".join(parts) + "\n")


# The machine


def _where(results: Results) -> str:
    machine = {name: value for name, value in results.machine.items() if value is not None}
    first = ("processor", "cores", "memory_gigabytes", "kernel", "open_files")
    packages = ", ".join(f"{name} {machine[name]}" for name in machine if name not in first)
    noise = [
        f"{each['seconds'] / 60:.0f} minutes with {each['steal_percent']} % of a core stolen by "
        f"the host, load average {each['load_average_before']} before and "
        f"{each['load_average_after']} after"
        for each in results.noise
    ]
    lines = [
        f"On {machine['cores']} cores of {machine['processor']}, {machine['memory_gigabytes']} GB, "
        f"Linux {machine['kernel']}, ulimit -n {machine['open_files']}.",
        f"With {packages}.",
        f"Noise: {'; '.join(noise)}.",
    ]
    lines += [
        f"Not measured: {NAMES[name]}, which is not installed ({cure})."
        for name, cure in results.skipped.items()
    ]
    lines += [f"Failed: {step.rstrip('.')}." for step in results.failed]
    return "\n".join(lines)


# The tables


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _peers(results: Results) -> str:
    """A row for each site: medians of the rounds, and from which to which in brackets."""
    ours = results.median("broadcast", BEST, "deliveries_per_second")
    rows = []
    for site in NAMES:
        if site not in {*results.sites("connecting"), *results.sites("idle")}:
            continue
        fastest = results.median("broadcast", site, "deliveries_per_second")
        rows.append(
            [
                NAMES[site],
                _spread(fastest, lambda value: f"{value / 1000:,.0f}"),
                f"{ours.value / fastest.value:.1f}" if ours and fastest else "",
                _pair(results, "calm", site, "p50_ms", "p99_ms"),
                _spread(results.median("idle", site, "kilobytes"), lambda value: f"{value:.1f}"),
                _spread(results.median("idle", site, "threads_many"), "{:.0f}".format),
                _spread(opened_a_second(results, site), lambda value: f"{value:,.0f}"),
                _spread(results.median("storm", site, "seconds"), lambda value: f"{value:.2f}"),
            ]
        )
    head = [
        "",
        "broadcast, 1,000 deliveries/s in time",
        "ours ÷ this",
        "10 events/s: p50 / p99, ms",
        "kB (PSS) an idle stream",
        "threads with all open",
        "streams opened/s",
        "reconnect storm, s",
    ]
    return _table(head, rows)


def _spread(median: Median | None, text: Callable[[float], str]) -> str:
    if median is None:
        return ""
    if median.rounds == 1:
        return text(median.value)
    return f"{text(median.value)} ({text(median.lowest)}–{text(median.highest)})"


def _pair(results: Results, measure: str, site: str, first: str, second: str) -> str:
    medians = [results.median(measure, site, key) for key in (first, second)]
    return " / ".join(f"{median.value:.1f}" for median in medians if median)


def _targets(results: Results) -> str:
    rows = []
    for target in TARGETS:
        values = [target.value(results, site) for site in OURS]
        if any(value is not None for value in values):
            shown = [_value(target, value, results) for value in values]
            rows.append([target.what, target.text, *shown])
    return _table(["what", "to reach", "daphne", "uvicorn"], rows)


def _value(target: Target, value: float | None, results: Results) -> str:
    if value is None:
        return ""
    number = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    missed = "" if target.is_reached(value, results) else " (missed)"
    return f"{number} {target.unit}".strip() + missed


# The plots


class Plot(NamedTuple):
    name: str
    title: str
    unit: str
    bars: Callable[[Results], Iterator[plots.Bar]]


def _bars_of(measure: str, key: str, scale: float = 1.0) -> Callable[[Results], Iterator[Any]]:
    def bars(results: Results) -> Iterator[plots.Bar]:
        for site, name in NAMES.items():
            median = results.median(measure, site, key)
            if median:
                yield plots.Bar(
                    name,
                    median.value / scale,
                    median.lowest / scale,
                    median.highest / scale,
                    is_ours=site in OURS,
                )

    return bars


PLOTS = [
    Plot(
        "broadcast",
        "Broadcast: deliveries a second in time, none lost",
        "thousand a second, logarithmic",
        _bars_of("broadcast", "deliveries_per_second", 1000),
    ),
    Plot(
        "calm",
        "10 events a second to all: 99 % are there within",
        "ms, logarithmic",
        _bars_of("calm", "p99_ms"),
    ),
    Plot(
        "idle", "Memory of an idle stream (PSS)", "kB, logarithmic", _bars_of("idle", "kilobytes")
    ),
    Plot(
        "storm",
        "Reconnect storm: all have what they missed after",
        "s, logarithmic",
        _bars_of("storm", "seconds"),
    ),
]
