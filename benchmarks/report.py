"""Writes a run's results: the figures, a table and plots."""

from pathlib import Path

from .results import Results


def write(results: Results, folder: Path) -> None:
    results.write(folder / f"{results.plan}.json")
