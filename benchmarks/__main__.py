"""Measure this project's streams, beside another checkout of it and beside nchan: see README.md.

python -m benchmarks compare ../before              the whole table, in 25 minutes
python -m benchmarks compare --only idle --rounds 1   one part of this checkout alone
python -m benchmarks compare ../before --resume       go on with a run that was interrupted
"""

import argparse
import contextlib
import os
import shlex
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from . import nchan, page
from .database import new_database
from .machine import KEPT, ROOT, Cores, Noise, allow_many_files, description
from .parts import PARTS, PEER_PARTS, Record, Sizes
from .results import Results, Step
from .trees import SERVERS, Tree

# A step takes forty seconds at the most.
STEP_SECONDS = 150


class Task(NamedTuple):
    step: Step
    measure: Callable[[Record], None]


def main() -> None:
    options = _options()
    allow_many_files()
    signal.signal(signal.SIGALRM, _late)
    interrupted = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, partial(_interrupt, interrupted))
    cores = Cores.of_this_machine()
    os.sched_setaffinity(0, cores.load)
    deadline = time.monotonic() + options.minutes * 60
    with ExitStack() as resources:
        trees = []
        for name, path in (("this", ROOT), ("other", options.path)):
            if path:
                database = resources.enter_context(new_database(cores.load))
                trees.append(Tree(name, path.resolve(), database, cores))
                resources.callback(trees[-1].close)
        results = Results(
            options.to.with_suffix(".json"),
            machine=description(trees[0].database.version()),
            command=_command(options),
            commits={tree.name: tree.commit() for tree in trees},
            resume=options.resume,
        )
        noise = Noise()
        if cure := nchan.missing():
            results.say(cure)
        try:
            for task in _tasks(options, trees, cores):
                if interrupted.is_set():
                    raise KeyboardInterrupt
                if task.step in results.done:
                    continue
                if time.monotonic() > deadline:
                    results.say(f"Ended after {options.minutes:g} minutes, before {task.step}.")
                    break
                if not _succeeds(task, results):
                    for tree in trees:
                        tree.close()  # an answer of its worker may still be on its way
        finally:
            results.say(f"Noise: {noise}.")
            text = page.page(results)
            options.to.write_text(text)
            print(text)
            say(f"Written to {options.to}.")


def _command(options: argparse.Namespace) -> str:
    """As anybody could give it: where the other checkout lies is nobody's business."""
    arguments = ["../before" if text == str(options.path) else text for text in sys.argv[1:]]
    return shlex.join(["python", "-m", "benchmarks", *arguments])


def _interrupt(interrupted: threading.Event, *_: Any) -> None:
    # Remembered, for Python drops an exception that is raised while it forks.
    interrupted.set()
    raise KeyboardInterrupt


def _tasks(options: argparse.Namespace, trees: list[Tree], cores: Cores) -> Iterator[Task]:
    """What takes turns has its share of whatever else the machine is at: A B, B A, A B."""
    sizes = Sizes().times(options.share)
    for number in range(1, options.rounds + 1):
        for part in options.only:
            servers = options.servers[:1] if part == "checkout" else options.servers
            for server in servers:
                for tree in trees if number % 2 else reversed(trees):
                    yield Task(
                        Step(part, number, tree.name, server),
                        partial(PARTS[part], tree, server, sizes),
                    )
            if part in PEER_PARTS and not nchan.missing():
                yield Task(
                    Step(part, number, "nchan", "nchan"), partial(PEER_PARTS[part], cores, sizes)
                )


def _succeeds(task: Task, results: Results) -> bool:
    """One that fails is told of in the table; the others' figures are no worse for it."""

    def record(key: str, value: float) -> None:
        results.add(task.step, key, value)
        say(f"   {key} {value:.4g}")

    say(f"-- {task.step}")
    signal.alarm(STEP_SECONDS)
    try:
        task.measure(record)
    except Exception as error:
        results.finish(task.step, failure=f"{type(error).__name__}: {error}")
        say(traceback.format_exc())
        return False
    finally:
        signal.alarm(0)
    results.finish(task.step)
    return True


def _late(*_: Any) -> None:
    raise TimeoutError(f"It took more than {STEP_SECONDS} seconds.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=["compare"])
    parser.add_argument("path", nargs="?", type=Path, help="another checkout of this project")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured")
    parser.add_argument(
        "--only", type=partial(_words, PARTS), default=list(PARTS), help=", ".join(PARTS)
    )
    parser.add_argument(
        "--servers", type=partial(_words, SERVERS), default=list(SERVERS), help=", ".join(SERVERS)
    )
    parser.add_argument("--minutes", type=float, default=25, help="no part begins after so long")
    parser.add_argument("--resume", action="store_true", help="leave out what has been measured")
    parser.add_argument(
        "--share", type=float, default=1.0, help="of the streams and the seconds, to try it out"
    )
    parser.add_argument(
        "--to",
        type=Path,
        default=KEPT / "full.md",
        help="the page; its figures go beside it, as JSON",
    )
    return parser.parse_args()


def _words(known: dict[str, Any], text: str) -> list[str]:
    for word in text.split(","):
        if word not in known:
            raise argparse.ArgumentTypeError(f"{word!r} is none of {', '.join(known)}")
    return text.split(",")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
