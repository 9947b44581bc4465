"""Measure this project's streams, and those of what else one could choose: see README.md.

python -m benchmarks quick                  two and a half minutes
python -m benchmarks full                   fifty minutes
python -m benchmarks full --only crowd,idle --sites ours-daphne,nchan --rounds 1
"""

import argparse
import dataclasses
import functools
import os
import signal
import sys
import threading
import traceback
from pathlib import Path

from . import database, django_site, machine, places, report
from .contestants import PEERS, package
from .cores import Cores
from .plan import OURS, PARTS, PLANS, Plan
from .results import Results


def main() -> None:
    options = _options()
    plan = _plan(options)
    files = machine.open_files()
    if files < plan.idle_streams + 100:
        say(f"ulimit -n is {files}: too few for {plan.idle_streams} streams; raise the hard limit.")
    cores = Cores.of_this_machine()
    os.sched_setaffinity(0, cores.load)
    interrupted = threading.Event()
    signal.signal(signal.SIGINT, functools.partial(_interrupt, interrupted))
    with database.new_database(cores.load) as ours_database:
        if not ours_database.is_embedded:
            say("The PostgreSQL of DATABASE_URL is not pinned to cores.")
        django_site.set_up(ours_database)
        from .suite import Suite  # which needs Django

        results = Results(machine.description(ours_database.version()), plan.name)
        results.skipped = _skipped(plan)
        noise = machine.Noise()
        suite = Suite(plan, ours_database, cores, results, say)
        try:
            for step in suite.steps():
                if interrupted.is_set():
                    raise KeyboardInterrupt
                say(f"-- {step.part}: {step.name}")
                try:
                    step.run()
                except Exception as error:
                    # The others' figures are no worse for it; the report names it.
                    results.failed.append(f"{step.part}, {step.name}: {error}")
                    say(traceback.format_exc())
        finally:
            results.add_noise(noise)
            report.write(results, options.to)
            say(f"Written to {options.to}.")


def _interrupt(interrupted: threading.Event, *_: object) -> None:
    # Remembered, for Python drops an exception that is raised while it forks.
    interrupted.set()
    raise KeyboardInterrupt


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("plan", choices=PLANS)
    parser.add_argument("--only", type=_words(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument(
        "--sites", type=_words((*OURS, *PEERS)), help=f"of {', '.join((*OURS, *PEERS))}"
    )
    parser.add_argument("--rounds", type=int, help="how often each is measured")
    parser.add_argument(
        "--to", type=Path, default=places.KEPT / "report", help="the folder to write to"
    )
    return parser.parse_args()


def _words(known: tuple[str, ...]):
    def words(text: str) -> tuple[str, ...]:
        chosen = tuple(text.split(","))
        for word in chosen:
            if word not in known:
                raise argparse.ArgumentTypeError(f"{word!r} is none of {', '.join(known)}")
        return chosen

    return words


def _plan(options: argparse.Namespace) -> Plan:
    changes = {"parts": options.only, "sites": options.sites, "rounds": options.rounds}
    given = {name: value for name, value in changes.items() if value}
    return dataclasses.replace(PLANS[options.plan], **given)


def _skipped(plan: Plan) -> dict[str, str]:
    """The sites of which something isn't installed, and what to do about it."""
    skipped = {}
    for name in plan.sites:
        missing = package(name.removeprefix("ours-")) if name in OURS else PEERS[name].missing()
        if missing:
            skipped[name] = missing
            say(f"{name} is skipped. To have it: {missing}")
    return skipped


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
