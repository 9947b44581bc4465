"""Processes that are measured: pinned to a core, and gone when the benchmark is."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import places

PR_SET_PDEATHSIG = 1  # prctl(2)
START_SECONDS = 30
STOP_SECONDS = 15
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")

libc = ctypes.CDLL(None, use_errno=True)


class DidNotStart(Exception):
    """A process ended, or said nothing, before it was ready."""


class Process:
    """A running process, and what the kernel knows of it."""

    def __init__(self, name: str, process: subprocess.Popen) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def threads(self) -> int:
        return self._status_number("Threads:")

    @property
    def memory_kilobytes(self) -> int:
        """The proportional set size: its own pages, and its part of those that it shares."""
        return _number_after("Pss:", Path(f"/proc/{self.pid}/smaps_rollup").read_text())

    @property
    def cpu_seconds(self) -> float:
        """Of all its threads, in user space and in the kernel, so far."""
        return cpu_seconds(self.pid)

    def stop(self) -> None:
        """Ask it to end, then make it; returns when it has."""
        if not self.has_ended:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _status_number(self, name: str) -> int:
        return _number_after(name, Path(f"/proc/{self.pid}/status").read_text())


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def _number_after(name: str, text: str) -> int:
    return int(text.partition(name)[2].split()[0])


@contextmanager
def running(
    name: str,
    command: Sequence[Any],
    *,
    cores: Collection[int],
    port: int | None = None,
    environment: dict[str, str] | None = None,
) -> Iterator[Process]:
    """A process on these cores, until the block ends.

    port: where it has to listen before the block begins. What it prints goes to a log below
    `.local/benchmarks/`, whose end is in the error if it doesn't start.
    """
    log = places.KEPT / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = Process(
            name,
            subprocess.Popen(
                [str(part) for part in command],
                cwd=places.ROOT,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: prepare_child(cores),
            ),
        )
    try:
        if port is not None:
            _wait_until_it_listens(process, port, log)
        yield process
    finally:
        process.stop()


def prepare_child(cores: Collection[int]) -> None:
    """Between fork and exec: the child's cores, and its end should we be killed."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # Ctrl-C is for the benchmark, which then ends its children in its own order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.sched_setaffinity(0, cores)


def _wait_until_it_listens(process: Process, port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and not process.has_ended:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.02)
    end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise DidNotStart(f"{process.name} does not listen on port {port}. The end of {log}:\n{end}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
