"""The machine: its cores, the processes that are measured on them, and how noisy it was."""

import contextlib
import ctypes
import os
import platform
import re
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import psutil

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "benchmarks"
# What running it makes, and git ignores; deleting it starts afresh.
KEPT = ROOT / ".local" / "benchmarks"

PR_SET_PDEATHSIG = 1  # prctl(2)
START_SECONDS = 30
STOP_SECONDS = 10
PACKAGES = ("django", "daphne", "twisted", "uvicorn", "psycopg", "asgiref")

libc = ctypes.CDLL(None, use_errno=True)


class Cores(NamedTuple):
    """The server has one core to itself; all the rest share the others."""

    all: frozenset[int]
    server: frozenset[int]
    load: frozenset[int]

    @classmethod
    def of_this_machine(cls) -> "Cores":
        usable = sorted(os.sched_getaffinity(0))
        if len(usable) < 2:
            raise SystemExit("The benchmark needs two cores: one for the server, one for the load.")
        return cls(frozenset(usable), frozenset(usable[-1:]), frozenset(usable[:-1]))


def allow_many_files() -> None:
    """Raise this process's limit of open files, and so its children's, as far as it goes."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


# Processes


class DidNotStart(Exception):
    """A process ended, or said nothing, before it was ready."""


def cpu_seconds(process: psutil.Process) -> float:
    """Of a process and all that it has started, what has ended among them, so far."""
    own = process.cpu_times()
    seconds = own.user + own.system + own.children_user + own.children_system
    for child in process.children(recursive=True):
        seconds += sum(child.cpu_times()[:2])
    return seconds


def kilobytes(process: psutil.Process) -> float:
    """The proportional set size: a process's own pages, and its part of those that it shares."""
    return process.memory_full_info().pss / 1024


@contextmanager
def running(
    name: str,
    command: Sequence[Any],
    *,
    cores: Collection[int],
    port: int,
    folder: Path = ROOT,
    environment: Mapping[str, str] | None = None,
) -> Iterator[psutil.Popen]:
    """A server on these cores that listens on this port when the block begins, and ends with it.

    What it prints goes to a log below `.local/benchmarks/`, whose end is in the error if it
    doesn't start.
    """
    log = KEPT / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = psutil.Popen(
            [str(part) for part in command],
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # SIGINT is how it is told to end: at once, without spreading its streams' ends.
            preexec_fn=lambda: prepare_child(cores, interruptible=True),
            start_new_session=True,
        )
    try:
        _wait_until_it_listens(name, process, port, log)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait()


def prepare_child(cores: Collection[int], *, interruptible: bool = False) -> None:
    """Between fork and exec: the child's cores, and its end should we be killed.

    interruptible: it heeds SIGINT, whatever this process does. Otherwise Ctrl-C is for the
    benchmark alone, which then ends its children in its own order.
    """
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.default_int_handler if interruptible else signal.SIG_IGN)
    os.sched_setaffinity(0, cores)


def _wait_until_it_listens(name: str, process: psutil.Popen, port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.02)
    end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise DidNotStart(f"{name} does not listen on port {port}. The end of {log}:\n{end}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# What it was measured on


def description(postgres: str) -> str:
    """One line: the machine and what it runs. postgres: the server's version."""
    model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    gigabytes = psutil.virtual_memory().total / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{os.cpu_count()} cores of {model[1] if model else platform.machine()}, "
        f"{gigabytes:.1f} GB, Linux {platform.release()}, Python {platform.python_version()}, "
        f"PostgreSQL {postgres}, {packages}"
    )


class Noise:
    """How much of the machine others had, from when this was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._load_before = os.getloadavg()[0]
        self._stolen_before = psutil.cpu_times().steal

    def __str__(self) -> str:
        """stolen: of one core, the time in which it had work and the host gave it none."""
        seconds = time.monotonic() - self._began
        stolen = 100 * (psutil.cpu_times().steal - self._stolen_before) / seconds
        return (
            f"{seconds / 60:.0f} minutes, load average {self._load_before:.2f} before them, "
            f"{stolen:.2f} % of a core stolen by the host"
        )
