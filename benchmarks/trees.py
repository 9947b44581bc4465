"""A checkout that is measured: its database, its servers, and a worker inside its own Django.

Two versions are measured by the same code, for all that is asked of them is what both have: their
ASGI application, the stream of the shop's orders, its accounts and its orders (worker.py).
"""

import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from .database import Database
from .machine import KEPT, SOURCES, Cores, free_port, prepare_child, running
from .streams import Request

SERVERS = {
    "daphne": ["-v", "0", "-b", "127.0.0.1", "-p"],
    "uvicorn": ["--no-access-log", "--log-level", "warning", "--port"],
}
STREAM = "/orders/realtime"


class WorkerFailed(Exception):
    """What it said."""


class Worker:
    """worker.py, running in a checkout."""

    def __init__(self, program: subprocess.Popen) -> None:
        self._program = program

    def ask(self, command: str, **arguments: Any) -> Any:
        """Send a command, and wait for its answer. Raises WorkerFailed."""
        self.send(command, **arguments)
        return self.answer()

    def send(self, command: str, **arguments: Any) -> None:
        self._program.stdin.write(json.dumps([command, arguments]) + "\n")
        self._program.stdin.flush()

    def answer(self) -> Any:
        line = self._program.stdout.readline()
        answer = json.loads(line) if line else {"error": "It ended; its words are above."}
        if "error" in answer:
            raise WorkerFailed(answer["error"])
        return answer["answer"]


class Server(NamedTuple):
    """A process of a tree's application. pauses: a file, see serve.py."""

    process: psutil.Popen
    port: int
    pauses: Path | None = None

    def forget_pauses(self) -> None:
        with self.pauses.open("r+b") as file:
            file.write(bytes(8))

    @property
    def longest_pause(self) -> float:
        """Seconds that the longest collection of garbage took since they were forgotten."""
        return memoryview(self.pauses.read_bytes()).cast("d")[0]


class Tree:
    """name: `this` or `other`. path: where it is checked out."""

    def __init__(self, name: str, path: Path, database: Database, cores: Cores) -> None:
        self.name = name
        self.path = path
        self.database = database
        self.cores = cores
        self._environment = {
            "PYTHONPATH": str(path),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DJANGO_DEBUG": "false",
            "DATABASE_URL": database.url,
        }
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity=0"],
            cwd=path,
            env={**os.environ, **self._environment},
            stdin=subprocess.DEVNULL,
            check=True,
        )
        self._stack = ExitStack()
        self._worker: Worker | None = None

    def commit(self) -> str:
        """What is checked out, and whether what runs of it has been changed since."""

        def git(*arguments: str) -> str:
            command = ["git", "-C", self.path, *arguments]
            return subprocess.run(command, capture_output=True, text=True).stdout.strip()

        changes = git("status", "--porcelain", "--", "config", "orders", "realtime")
        return git("rev-parse", "--short=7", "HEAD") + (" with changes" if changes else "")

    @property
    def worker(self) -> Worker:
        """One that stays, begun anew after a failure: an answer may still be on its way."""
        if self._worker is None:
            self._worker = self._stack.enter_context(self.another_worker(self.cores.load))
        return self._worker

    def close(self) -> None:
        """End the worker. The next use begins another."""
        self._worker = None
        self._stack.close()

    @contextmanager
    def another_worker(self, cores: Collection[int]) -> Iterator[Worker]:
        program = subprocess.Popen(
            [sys.executable, "-P", SOURCES / "worker.py"],
            cwd=self.path,
            env={**os.environ, **self._environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: prepare_child(cores),
        )
        try:
            yield Worker(program)
        finally:
            program.kill()
            program.wait()
            program.stdin.close()
            program.stdout.close()

    @contextmanager
    def server(self, kind: str, *, cores: Collection[int] | None = None) -> Iterator[Server]:
        """kind: daphne or uvicorn. cores: the server's own if None."""
        self.database.settle()
        port, name = free_port(), f"{self.name}-{kind}"
        KEPT.mkdir(parents=True, exist_ok=True)
        pauses = KEPT / f"{name}.pauses"
        pauses.write_bytes(bytes(8))
        with running(
            name,
            [
                *(sys.executable, "-P", SOURCES / "serve.py", pauses, kind),
                *(*SERVERS[kind], port, "config.asgi:application"),
            ],
            cores=cores or self.cores.server,
            port=port,
            folder=self.path,
            environment={**self._environment, "DATABASE_URL": self.database.url_for(name)},
        ) as process:
            yield Server(process, port, pauses)

    def customers(self, count: int, *, after: str | None = None) -> Sequence[Request]:
        """A stream for each of so many customers, of what concerns them."""
        return self._requests(STREAM, "customer", count, after)

    def staff(self, count: int, *, after: str | None = None) -> Sequence[Request]:
        """A stream for each of so many of the staff, of everybody's orders: that takes a query."""
        return self._requests(f"{STREAM}?scope=all", "staff", count, after)

    def _requests(self, path: str, kind: str, count: int, after: str | None) -> Sequence[Request]:
        cursor = () if after is None else (f"Last-Event-ID: {after}",)
        headers = self.worker.ask("people", kind=kind, count=count)
        return [Request(path, (header, *cursor)) for header in headers]
