"""Thousands of open streams, in a process of its own: the program is streams.c."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from .machine import KEPT, SOURCES, prepare_child

# So many requests are on their way at once.
AT_A_TIME = 200


class Request(NamedTuple):
    """What one stream asks for: a path, and header lines."""

    path: str
    headers: tuple[str, ...] = ()


class Opened(NamedTuple):
    open: int
    seconds: float
    last_status: int


class Received(NamedTuple):
    """What came on all streams together since the last report.

    seconds_to_last: from that report to the last event. Latencies run from the time in the event
    to its being read. doubled: also what came out of order. ended: streams, by the server.
    """

    events: int
    seconds_to_last: float
    p50_ms: float
    p99_ms: float
    doubled: int
    ended: int


class Streams:
    def __init__(self, program: subprocess.Popen, requests: Path) -> None:
        self._program = program
        self._requests = requests

    def open(
        self, requests: Sequence[Request], *, at_a_time: int = AT_A_TIME, seconds: float = 60
    ) -> Opened:
        """Open these, so many at a time; the ones before are closed."""
        lines = ["\t".join([request.path, *request.headers]) for request in requests]
        self._requests.write_text("".join(f"{line}\n" for line in lines))
        return Opened(**self._ask(f"open {self._requests} {at_a_time} {seconds}"))

    def wait_for(self, events: int, seconds: float) -> Received:
        """Report when so many have come, all in all, or after so long."""
        return Received(**self._ask(f"wait {events} {seconds}"))

    def close(self) -> None:
        self._ask("close")

    def _ask(self, command: str) -> dict[str, Any]:
        self._program.stdin.write(f"{command}\n")
        self._program.stdin.flush()
        answer = self._program.stdout.readline()
        if not answer:
            raise RuntimeError(f"The load generator ended ({self._program.wait()}) at: {command}")
        return json.loads(answer)


@contextmanager
def streams_to(port: int, cores: Collection[int]) -> Iterator[Streams]:
    """The program, on these cores, until the block ends. No stream is open yet."""
    with tempfile.TemporaryDirectory(prefix="streams-") as folder:
        program = subprocess.Popen(
            [_compiled(), str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: prepare_child(cores),
        )
        try:
            yield Streams(program, Path(folder) / "requests")
        finally:
            program.stdin.close()  # at which it ends
            program.wait()
            program.stdout.close()


def _compiled() -> Path:
    source, program = SOURCES / "streams.c", KEPT / "streams"
    if program.exists() and program.stat().st_mtime >= source.stat().st_mtime:
        return program
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise SystemExit(
            "The load generator is a program in C, and there is no compiler here. "
            "Install one (Debian: apt-get install gcc libc6-dev) and run this again."
        )
    program.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([compiler, "-O2", "-Wall", "-o", program, source], check=True)
    return program
