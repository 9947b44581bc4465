"""What was measured: kept as it was, a line for each time it was, and added up when it is read."""

import json
import statistics
from pathlib import Path
from typing import Any, NamedTuple

from .machine import Noise


class Figure(NamedTuple):
    """One measurement: of what, of whom, in which round, and what came of it."""

    measure: str
    site: str
    round: int
    values: dict[str, Any]


class Median(NamedTuple):
    """Of the rounds; spread: the lowest and the highest."""

    value: float
    lowest: float
    highest: float
    rounds: int


class Results:
    def __init__(self, machine: dict[str, Any], plan: str) -> None:
        self.machine = machine
        self.plan = plan
        self.noise: list[dict[str, Any]] = []
        self.skipped: dict[str, str] = {}
        self.failed: list[str] = []
        self.figures: list[Figure] = []

    def add(self, measure: str, site: str, round: int, measured: tuple) -> None:
        self.figures.append(Figure(measure, site, round, measured._asdict()))

    def add_noise(self, noise: Noise) -> None:
        self.noise.append(noise.so_far())

    def sites(self, measure: str) -> list[str]:
        return list(dict.fromkeys(f.site for f in self.figures if f.measure == measure))

    def all(self, measure: str, site: str, key: str) -> list[float]:
        return [
            figure.values[key]
            for figure in self.figures
            if figure.measure == measure and figure.site == site and figure.values[key] is not None
        ]

    def median(self, measure: str, site: str, key: str) -> Median | None:
        """None: it was not measured."""
        values = self.all(measure, site, key)
        if not values:
            return None
        return Median(statistics.median(values), min(values), max(values), len(values))

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        head = {
            "plan": self.plan,
            "machine": self.machine,
            "noise": self.noise,
            "skipped": self.skipped,
            "failed": self.failed,
        }
        lines = ",\n".join(f"  {json.dumps(figure._asdict())}" for figure in self.figures)
        text = json.dumps(head, indent=1)[:-2] + f',\n "figures": [\n{lines}\n ]\n}}\n'
        path.write_text(text)

    @classmethod
    def read(cls, path: Path) -> "Results":
        kept = json.loads(path.read_text())
        results = cls(kept["machine"], kept["plan"])
        results.noise = kept["noise"]
        results.skipped, results.failed = kept["skipped"], kept["failed"]
        results.figures = [Figure(**figure) for figure in kept["figures"]]
        return results
