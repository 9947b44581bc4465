"""Where the benchmark finds and leaves things."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "benchmarks"
# What running it makes, and git ignores; deleting it starts afresh.
KEPT = ROOT / ".local" / "benchmarks"
REPORT = ROOT / "docs" / "benchmark"
