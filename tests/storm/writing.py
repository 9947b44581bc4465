"""The processes in which orders are placed, and what they say about it."""

import json
import os
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable

from ..servers import ROOT
from .writers import COMMITTED, END, ENDED

WRITERS_OF_A_PROCESS = 8


class WriterProcess:
    """It writes for one storm after the other: to set up Django takes a second of a core."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.storm.writers"],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._take: Callable[[str, list[str]], None]
        self._reader = threading.Thread(target=self._read, name="outcomes")
        # The last storm has ended, and all that it has written was told of; or the process has.
        self._idle = threading.Event()
        self._idle.set()
        self._has_failed = False
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout:
            outcome, events = json.loads(line)
            if outcome == ENDED:
                self._idle.set()
            else:
                self._take(outcome, events)
        self._has_failed = not self._idle.is_set()
        self._idle.set()

    @property
    def is_idle(self) -> bool:
        return self._idle.is_set() and not self._has_failed

    def begin(self, take: Callable[[str, list[str]], None], **storm: object) -> None:
        """take: called with each transaction's outcome and events."""
        self._take = take
        self._idle.clear()
        self._say(storm)

    def end_at_once(self) -> None:
        """After what its writers are at."""
        self._say(END)

    def _say(self, command: object) -> None:
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def wait(self, seconds: float) -> None:
        """Until its writers have ended."""
        assert self._idle.wait(seconds), f"They still write after {seconds} s."
        assert not self._has_failed, "It ended; its words are above."

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._reader.join()
        self._process.stdout.close()


class WriterProcesses:
    """Those of a fleet, made when they are first needed."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._idle: list[WriterProcess] = []

    def write(self, name: str, *, count: int, events: int, pause: float) -> "Writers":
        """See storm.py. name: of the storm, unlike any other's of this database."""
        number = count // WRITERS_OF_A_PROCESS
        self._idle += [WriterProcess(self._environment) for _ in range(number - len(self._idle))]
        processes, self._idle = self._idle[:number], self._idle[number:]
        return Writers(self, processes, seed=name, events=events, pause=pause)

    def take_back(self, processes: list[WriterProcess]) -> None:
        self._idle += processes

    def end(self) -> None:
        for process in self._idle:
            process.kill()


class Writers:
    """All the writers of one storm."""

    def __init__(
        self,
        owner: WriterProcesses,
        processes: list[WriterProcess],
        *,
        seed: str,
        events: int,
        pause: float,
    ) -> None:
        self._owner = owner
        self._processes = processes
        self._events: dict[str, set[str]] = defaultdict(set)
        self._grown = threading.Condition()
        for number, process in enumerate(processes):
            process.begin(
                self._take,
                seed=seed,
                first=number * WRITERS_OF_A_PROCESS,
                count=WRITERS_OF_A_PROCESS,
                events=events,
                pause=pause,
            )

    def _take(self, outcome: str, events: list[str]) -> None:
        with self._grown:
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
                process.end_at_once()
        for process in self._processes:
            process.wait(600)

    def release(self) -> None:
        """The next storm has the processes, but for those that still write: they are killed."""
        for process in self._processes:
            if process.is_idle:
                self._owner.take_back([process])
            else:
                process.kill()

    def events(self, outcome: str) -> set[str]:
        """What they have told of, by its key."""
        return self._events[outcome]
