"""What a checkout pays for publishing: writers at work with it, and with all of it off."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from realtime.postgres.embedded import binaries

from .. import places
from ..database import Database
from ..processes import prepare_child

WRITERS = 32
# Python writes with one thread at a time: so the writers through the ORM are spread over these.
PROCESSES = 4
WITH, WITHOUT = "checkout_with_event.sql", "checkout_without_event.sql"


class Checkouts(NamedTuple):
    """per_second: transactions. Latencies: of one, with the hint that follows its commit."""

    per_second: float
    p50_ms: float
    p99_ms: float

    @classmethod
    def of(cls, milliseconds: list[float], seconds: float) -> "Checkouts":
        ordered = sorted(milliseconds)
        return cls(
            per_second=len(ordered) / seconds,
            p50_ms=ordered[len(ordered) // 2],
            p99_ms=ordered[len(ordered) * 99 // 100],
        )


def in_sql(
    database: Database,
    cores: Collection[int],
    customers: tuple[int, int],
    seconds: float,
    *,
    publishing: bool,
    per_second: float | None = None,
) -> Checkouts:
    """By pgbench, with the statements that the ORM sends. customers: the first and last key.

    per_second: all writers together; as fast as they can if None.
    """
    script = places.SOURCES / "measurements" / (WITH if publishing else WITHOUT)
    first, last = customers
    with tempfile.TemporaryDirectory(prefix="checkout-") as folder:
        command = [
            *(binaries.installed() / "pgbench", "--no-vacuum", f"--file={script}"),
            *(f"--client={WRITERS}", "--jobs=2", f"--time={seconds:.0f}", "--protocol=prepared"),
            *(f"--define=first={first}", f"--define=last={last}"),
            *("--log", f"--log-prefix={folder}/log"),
            *([f"--rate={per_second}"] if per_second else []),
            database.url_for("writers"),
        ]
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: prepare_child(cores),
        )
        if done.returncode != 0:
            raise RuntimeError(f"pgbench failed:\n{done.stdout}")
        taken = [
            transaction.milliseconds
            for log in Path(folder).iterdir()
            for transaction in map(Transaction.of, log.read_text().splitlines())
            if not transaction.is_first
        ]
    return Checkouts.of(taken, seconds)


class Transaction(NamedTuple):
    """A line of pgbench's log.

    is_first: of its client; what a connection does once is not what is measured.
    https://www.postgresql.org/docs/current/pgbench.html, “Per-Transaction Logging”
    """

    is_first: bool
    milliseconds: float

    @classmethod
    def of(cls, line: str) -> "Transaction":
        _client, number, microseconds, _script, _epoch, _of_second, *lag = line.split()
        return cls(number == "1", (int(microseconds) - int(lag[0] if lag else 0)) / 1000)


def through_orm(
    database: Database,
    cores: Collection[int],
    seconds: float,
    *,
    publishing: bool,
    per_second: float | None = None,
    writers: int = WRITERS,
) -> Checkouts:
    """By Order.save(), in as many threads: see ../checkouts.py."""
    count = min(writers, PROCESSES)
    command = [
        *(sys.executable, "-m", "benchmarks.checkouts"),
        *("--threads", str(writers // count), "--seconds", str(seconds)),
        *([] if publishing else ["--unpublished"]),
        *(["--per-second", str(per_second / count)] if per_second else []),
    ]
    processes = [
        subprocess.Popen(
            command,
            cwd=places.ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: prepare_child(cores),
        )
        for _ in range(count)
    ]
    try:
        for process in processes:
            process.stdout.readline()  # ready
        began = time.monotonic()
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        taken = [ms for process in processes for ms in json.loads(process.stdout.readline())]
        return Checkouts.of(taken, min(seconds, time.monotonic() - began))
    finally:
        for process in processes:
            process.kill()
            process.communicate()
