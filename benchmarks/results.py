"""What was measured: kept after each step, so that a run that ends early has lost nothing."""

import json
import statistics
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple


class Step(NamedTuple):
    """What can't be cut any smaller. who: this, other or nchan."""

    part: str
    round: int
    who: str
    server: str

    def __str__(self) -> str:
        return f"{self.part}, round {self.round}, {self.who}, {self.server}"


class Median(NamedTuple):
    """Of the rounds, with the lowest and the highest."""

    value: float
    lowest: float
    highest: float
    rounds: int


class Results:
    """path: where they are kept. resume: go on with what is kept there, if it is of these commits.

    Raises SystemExit if it is of others.
    """

    def __init__(
        self, path: Path, *, machine: str, command: str, commits: Mapping[str, str], resume: bool
    ) -> None:
        self._path = path
        self.head = {
            "date": datetime.now(UTC).date().isoformat(),
            "machine": machine,
            "command": command,
            "commits": dict(commits),
        }
        self.figures: list[tuple[Step, str, float]] = []
        self.failures: list[tuple[Step, str]] = []
        self.done: list[Step] = []
        self.notes: list[str] = []
        if resume and path.exists():
            self._read(json.loads(path.read_text()))

    def add(self, step: Step, key: str, value: float) -> None:
        self.figures.append((step, key, value))

    def finish(self, step: Step, failure: str | None = None) -> None:
        """failure: why it was of no use; None: it was."""
        if failure is None:
            self.done.append(step)
        else:
            self.failures.append((step, failure))
        self.write()

    def say(self, note: str) -> None:
        self.notes.append(note)
        self.write()

    def median(self, key: str, who: str, server: str) -> Median | None:
        """None: it was not measured."""
        values = [
            value
            for step, of, value in self.figures
            if (of, step.who, step.server) == (key, who, server)
        ]
        if not values:
            return None
        return Median(statistics.median(values), min(values), max(values), len(values))

    def write(self) -> None:
        kept = {name: value for name, value in vars(self).items() if name != "_path"}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(kept, indent=1))

    def _read(self, kept: dict) -> None:
        if kept["head"]["commits"] != self.head["commits"]:
            raise SystemExit(
                f"{self._path} is of {kept['head']['commits']}, not of {self.head['commits']}: "
                "run it without --resume."
            )
        self.done = [Step(*step) for step in kept["done"]]
        # A step that failed is run again: what it had measured by then goes, and its failure.
        self.figures = [
            (Step(*step), key, value)
            for step, key, value in kept["figures"]
            if Step(*step) in self.done
        ]
        self.notes = kept["notes"]
