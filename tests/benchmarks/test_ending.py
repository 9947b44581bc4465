"""However a run ends, what it has started ends with it."""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from benchmarks.machine import ROOT

from ..servers import database_url
from ..waiting import wait_until

START_SECONDS = 40
END_SECONDS = 15


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_it(processes, transactional_db, tmp_path, how):
    run = subprocess.Popen(
        [
            *(sys.executable, "-m", "benchmarks", "compare", "--only", "idle"),
            *("--rounds", "1", "--share", "0.01", "--to", tmp_path / "page.md"),
        ],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    databases = set()
    try:
        read_until(run, b"-- idle")
        wait_until(
            lambda: len(children_of(run.pid)) >= 2, START_SECONDS
        )  # the server and the load generator
        started = children_of(run.pid)
        databases = benchmark_databases()

        run.send_signal(how)
        run.communicate(timeout=END_SECONDS)

        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started), END_SECONDS)
        # One that is killed can't tidy up; the next one takes another name.
        assert how == signal.SIGKILL or not benchmark_databases()
    finally:
        run.kill()
        run.communicate()
        for name in databases & benchmark_databases():
            with psycopg.connect(database_url(), autocommit=True) as session:
                session.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def read_until(run: subprocess.Popen, text: bytes) -> None:
    said = b""
    deadline = time.monotonic() + START_SECONDS
    while text not in said and time.monotonic() < deadline:
        if select.select([run.stderr], [], [], 1)[0]:
            said += os.read(run.stderr.fileno(), 4096)
        assert run.poll() is None, said
    assert text in said


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def benchmark_databases() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE 'benchmark\\_%'")
        return {name for (name,) in cursor.fetchall()}
