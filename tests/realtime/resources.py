"""What a server process holds, as the kernel sees it."""

import os
from pathlib import Path

from realtime import conf
from tests.servers import ServerProcess

# One that listens, one that works, one that looks after access, and at most two for replays.
SESSIONS_OF_A_HUB = 5
# The loop's, those that answer requests, the access monitor's, and at most three of asyncio's own,
# which are begun when they are first needed: the pruner, the look whether the database can be
# written to, and the settings of a connection may each ask for one at the same time.
THREADS_OF_A_PROCESS = 1 + conf.DEFAULTS["REQUEST_THREADS"] + 1 + 3


class Resources:
    def __init__(self, server: ServerProcess) -> None:
        self._process = Path(f"/proc/{server.pid}")

    @property
    def threads(self) -> int:
        return len(os.listdir(self._process / "task"))

    @property
    def open_files(self) -> int:
        return len(os.listdir(self._process / "fd"))

    @property
    def memory(self) -> int:
        """Bytes that are this process's alone."""
        for line in (self._process / "smaps_rollup").read_text().splitlines():
            if line.startswith("Private_Dirty:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("The kernel doesn't say.")

    @property
    def cpu_seconds(self) -> float:
        """What it has taken of the processors since it began."""
        times = (self._process / "stat").read_text().rpartition(")")[2].split()[11:13]
        return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
