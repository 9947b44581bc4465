"""The processes in which orders are placed, and what they say about it."""

import json
import os
import subprocess
import sys
import threading
from collections import defaultdict

from ..servers import ROOT
from .writers import COMMITTED

WRITERS_OF_A_PROCESS = 8


class Writers:
    """All the writers of one storm."""

    def __init__(
        self, environment: dict[str, str], name: str, *, count: int, events: int, pause: float
    ) -> None:
        self._events: dict[str, set[str]] = defaultdict(set)
        each = WRITERS_OF_A_PROCESS
        self._processes = [
            subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.storm.writers", "--seed", name),
                    *("--first", str(number * each), "--count", str(each)),
                    *("--events", str(events), "--pause", str(pause)),
                ],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(count // each)
        ]
        self._readers = [
            threading.Thread(target=self._read, args=[process], name="outcomes")
            for process in self._processes
        ]
        self._grown = threading.Condition()
        for reader in self._readers:
            reader.start()

    def _read(self, process: subprocess.Popen) -> None:
        for line in process.stdout:
            with self._grown:
                outcome, events = json.loads(line)
                self._events[outcome].update(events)
                self._grown.notify_all()

    def wait_for(self, committed: int, seconds: float = 60) -> None:
        """Until so many more events have been committed."""
        known = self._events[COMMITTED]
        with self._grown:
            goal = len(known) + committed
            reached = self._grown.wait_for(lambda: len(known) >= goal, seconds)
        assert reached, f"{len(known)} of {goal} events in {seconds} s"

    def finish(self, *, at_once: bool = False) -> None:
        """Wait for their end. at_once: they are told to end, after what they are at."""
        for process in self._processes:
            if at_once:
                process.stdin.close()
            assert process.wait(600) == 0
            process.stdin.close()
        for reader in self._readers:
            reader.join()

    def kill(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
            process.stdin.close()
        for reader in self._readers:
            reader.join()
        for process in self._processes:
            process.stdout.close()

    def events(self, outcome: str) -> set[str]:
        """What they have told of, by its key."""
        return self._events[outcome]
