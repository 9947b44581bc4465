"""The page that a run leaves: the table, and for each figure what a user feels of it."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from .results import Median, Results

# Of two figures that were measured.
RATIO = "p50 ÷ nchan"


class Row(NamedTuple):
    """A line of the table, and a sentence of the page.

    part: of parts.py, whose failure is the reason where the figure is missing. felt: from the
    figure to what a user feels of it. targets: for each server what was to be reached.
    """

    part: str
    key: str
    what: str
    unit: str
    felt: Callable[[float], str]
    targets: dict[str, float] = {}
    more_is_better: bool = False


def _both(daphne: float, uvicorn: float | None = None) -> dict[str, float]:
    return {"daphne": daphne, "uvicorn": uvicorn or daphne}


ROWS = [
    Row(
        *("opening", "opened", "streams opened a second, by as many users", ""),
        lambda v: f"after a restart, a thousand open pages are live again within {1000 / v:.1f} s",
        _both(1600, 2000),
        more_is_better=True,
    ),
    Row(
        *("opening", "opened_all", "the same with `scope=all`, which takes a query", ""),
        lambda v: (
            f"a hundred colleagues open the board at nine: all are live {100 / v:.2f} s later"
        ),
        _both(1200, 1500),
        more_is_better=True,
    ),
    Row(
        *("storm", "storm_recent", "1,000 come back for the same 100 events, in memory", "s"),
        lambda v: (
            f"the network is back, and {v:.1f} s later the last of a thousand has missed nothing"
        ),
        _both(0.9),
    ),
    Row(
        *("storm", "storm_table", "1,000 come back for 100 of their own each, from the table", "s"),
        lambda v: f"the same after a deployment, when a new process remembers nothing: {v:.1f} s",
        _both(1.2),
    ),
    Row(
        *("checkout", "lone", "an order at 20 a second, p50, with its events ÷ without", ""),
        lambda v: f"who presses “Order” waits {100 * (v - 1):.0f} % longer than without live pages",
        {"daphne": 1.15},
    ),
    Row(
        *("checkout", "lone_ms", "that order with its events", "ms"),
        lambda v: f"that is {v:.1f} ms in all; a blink takes 100",
    ),
    Row(
        *("checkout", "lone_flat_out", "an order flat out, p50, with its events ÷ without", ""),
        lambda v: f"a script that saves order after order takes {v:.1f} times as long",
        {"daphne": 1.4},
    ),
    Row(
        *("checkout", "writers", "32 writers, disk +1 ms, orders a second, with ÷ without", ""),
        lambda v: (
            f"in a rush the shop takes {100 * v:.0f} of 100 orders; below that, nobody feels it"
        ),
        {"daphne": 0.68},
        more_is_better=True,
    ),
    Row(
        *("idle", "kilobytes", "an idle stream of 5,000, fresh process, PSS", "kB"),
        lambda v: f"a gigabyte of memory holds {1e6 / v:,.0f} open pages",
        _both(13, 9),
    ),
    Row(
        *("idle", "cpu", "CPU of 5,000 idle streams, heartbeats on", "% of a core"),
        lambda v: f"pages on which nothing happens leave {100 - v:.1f} % of the core to the others",
        _both(1.2),
    ),
    Row(
        *("delivery", "p50", "10 events a second to 1,000, p50", "ms"),
        lambda v: (
            f"a colleague's change is there after {v:.0f} ms; a screen draws a frame every 17"
        ),
    ),
    Row(
        *("delivery", "p99", "the same, p99", "ms"),
        lambda v: f"one in a hundred waits {v:.0f} ms or longer; up to 100 feel instant",
    ),
    Row(
        *("delivery", RATIO, "10 events a second to 1,000, p50 ÷ nchan's", ""),
        lambda v: f"a server in C without a log or accounts takes 1/{v:.1f} of it; no eye can tell",
        _both(1.3),
    ),
    Row(
        *("idle", "pause", "longest collection of garbage while 5,000 come and stay", "s"),
        lambda v: (
            f"while thousands arrive, a page stands still for {1000 * v:.0f} ms at the longest"
        ),
        _both(0.05),
    ),
]


def page(results: Results) -> str:
    """In Markdown."""
    head = results.head
    commits = head["commits"]
    measured = f"Commit {commits['this']}"
    if "other" in commits:
        measured += f" (now) and {commits['other']} (before), by turns in one run"
    lines = [
        "# The benchmark",
        "",
        f"{measured} of `{head['command']}` on {head['date']};",
        "[`benchmarks/`](../../benchmarks/README.md) says how it is measured.",
        f"On {head['machine']}.",
        "Medians of the rounds, and in brackets the lowest and the highest, which is the noise.",
        "Machines differ, and a shared one from hour to hour: believe the ratio, not the figure.",
        *results.notes,
        "",
        *_table(results),
        "",
        "## What a user feels of it",
        "",
        *_sentences(results),
        *_failures(results),
    ]
    return "\n".join(lines) + "\n"


def _table(results: Results) -> Iterator[str]:
    yield "| what | server | before | now | now ÷ before | to reach | |"
    yield "|---|---|---|---|---|---|---|"
    for row in ROWS:
        for server in ("daphne", "uvicorn"):
            now, before = (_value(results, row.key, who, server) for who in ("this", "other"))
            if now is None and before is None and not _reason(results, row, server):
                continue
            target = row.targets.get(server)
            cells = [
                f"{row.what}{f', {row.unit}' if row.unit else ''}",
                server,
                _text(before),
                _text(now) if now else _reason(results, row, server),
                f"{now.value / before.value:.2f}" if now and before and before.value else "",
                f"{target:,g}" if target else "",
                _verdict(row, now, target),
            ]
            yield "| " + " | ".join(cells) + " |"
    peer = {"p50": "10 events a second to 1,000, p50, ms", "kilobytes": "an idle stream, kB"}
    for key, what in peer.items():
        if nchan := results.median(key, "nchan", "nchan"):
            yield f"| {what} | nchan | | {_text(nchan)} | | | |"


def _value(results: Results, key: str, who: str, server: str) -> Median | None:
    if key != RATIO:
        return results.median(key, who, server)
    ours, nchans = results.median("p50", who, server), results.median("p50", "nchan", "nchan")
    if not (ours and nchans):
        return None
    return Median(*(ours[part] / nchans.value for part in range(3)), rounds=ours.rounds)


def _verdict(row: Row, now: Median | None, target: float | None) -> str:
    if not (now and target):
        return ""
    reached = now.value >= target if row.more_is_better else now.value <= target
    return "reached" if reached else "missed"


def _text(median: Median | None) -> str:
    if median is None:
        return ""
    spread = f" ({_number(median.lowest)}–{_number(median.highest)})" if median.rounds > 1 else ""
    return f"{_number(median.value)}{spread}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _reason(results: Results, row: Row, server: str) -> str:
    """Why there is no figure."""
    failed = {(step.part, step.who, step.server) for step, _ in results.failures}
    is_told = row.part and (row.part, "this", server) in failed
    return "failed, see below" if is_told else ""


def _sentences(results: Results) -> Iterator[str]:
    for row in ROWS:
        now = [
            (server, value)
            for server in ("daphne", "uvicorn")
            if (value := _value(results, row.key, "this", server))
        ]
        if now:
            figures = ", ".join(f"{_number(value.value)} on {server}" for server, value in now)
            unit = f" {row.unit}" if row.unit else ""
            yield f"- **{row.what}: {figures}{unit}**: {row.felt(now[0][1].value)}."


def _failures(results: Results) -> Iterator[str]:
    if results.failures:
        yield ""
        yield "## What failed"
        yield ""
    for step, reason in results.failures:
        yield f"- {step}: {' '.join(reason.split())[:300]}"
