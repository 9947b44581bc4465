"""On what machine it was measured, and how noisy that was."""

import os
import platform
import re
import resource
import shutil
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = [
    "django",
    "daphne",
    "twisted",
    "uvicorn",
    "uvloop",
    "httptools",
    "psycopg",
    "asgiref",
    "django-eventstream",
    "sse-starlette",
]


def open_files() -> int:
    """Raise this process's limit of open files, and so its children's, as far as it goes."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    return limit


def description(postgres: str) -> dict[str, Any]:
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gigabytes": round(
            os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1
        ),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "postgresql": postgres,
        "open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        **{name: _version(name) for name in PACKAGES},
        "nginx": _nginx(),
    }


def _processor() -> str:
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _nginx() -> str | None:
    program = shutil.which("nginx")
    if program is None:
        return None
    told = subprocess.run([program, "-v"], stderr=subprocess.PIPE, text=True).stderr
    return told.strip().rpartition("/")[2]


class Noise:
    """How much of the machine others had, from when this was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._load_before = os.getloadavg()[0]
        self._steal_before = _steal_seconds()

    def so_far(self) -> dict[str, Any]:
        """steal_percent: of one core, the time in which it had work and the host gave it none."""
        seconds = time.monotonic() - self._began
        return {
            "seconds": round(seconds, 1),
            "load_average_before": round(self._load_before, 2),
            "load_average_after": round(os.getloadavg()[0], 2),
            "steal_percent": round(100 * (_steal_seconds() - self._steal_before) / seconds, 2),
        }


def _steal_seconds() -> float:
    # https://man7.org/linux/man-pages/man5/proc_stat.5.html: the eighth figure of “cpu”.
    return int(Path("/proc/stat").read_text().split()[8]) / os.sysconf("SC_CLK_TCK")
