"""Counts shared by server processes behind one port: Prometheus reaches only one of them.

`uvicorn --workers 4` is one address and four processes. In `PROMETHEUS_MULTIPROC_DIR` each process
has a file with its counts, and writes it every few seconds. It holds the file's lock while it
lives; the kernel frees the lock however the process ends. The counts of ended processes are added
up in one more file, so that a counter never goes back, however often processes are replaced.
"""

import asyncio
import contextlib
import json
import logging
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..counts import Counts, counts

logger = logging.getLogger("realtime")

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
# Less than the time between two scrapes.
WRITE_SECONDS = 5.0
ENDED = "realtime_ended.json"
FOLDING = "realtime_folding.lock"


def folder() -> Path | None:
    """The folder of the shared counts; None: Prometheus scrapes each process by itself."""
    name = os.environ.get(FOLDER)
    return Path(name) if name and counts.is_on else None


class SharedCounts:
    """The counts of this process in its file, and those of the others.

    folder: where the files are. gauges: returns the present values, by name and label.
    """

    def __init__(self, folder: Path, gauges: Callable[[], dict[str, dict[str, float]]]) -> None:
        self._folder = folder
        self._gauges = gauges
        self._id = uuid.uuid4().hex

    async def run(self) -> None:
        """Keep the file up to date, until this is cancelled."""
        try:
            lock = await asyncio.to_thread(self._begin)
        except OSError as error:
            logger.warning("Could not share what this process counts: %s", error)
            return
        try:
            while True:
                snapshot = self._snapshot()
                await asyncio.to_thread(_write, self._path, snapshot)
                await asyncio.sleep(WRITE_SECONDS)
        finally:
            # Written on the event loop, because the process is about to end: it is one small file.
            _write(self._path, self._snapshot())
            os.close(lock)

    def others(self) -> tuple[list[dict[str, dict[str, float]]], list[dict[str, Any]]]:
        """The gauges of the other living processes, and the counts of all others, ended or not."""
        with _locked(self._folder / FOLDING):
            self._fold()
            ended = _read(self._folder / ENDED)
        gauges, counted = [], [ended.get("counts", {})]
        for path in self._files():
            if path != self._path and (snapshot := _read(path)):
                gauges.append(snapshot["gauges"])
                counted.append(snapshot["counts"])
        return gauges, counted

    @property
    def _path(self) -> Path:
        return self._folder / f"realtime_{self._id}.process.json"

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("realtime_*.process.json"))

    def _begin(self) -> int:
        self._folder.mkdir(parents=True, exist_ok=True)
        return _take(self._path.with_suffix(".lock"))

    def _snapshot(self) -> dict[str, Any]:
        return {"gauges": self._gauges(), "counts": counts.as_dict()}

    def _fold(self) -> None:
        """Add up the counts of the processes that have ended, and remove their files."""
        over = [path for path in self._files() if path != self._path and _is_free(path)]
        if not over:
            return
        ended = _read(self._folder / ENDED)
        # Files that are already in the sum, if a process died before it removed them.
        already = set(ended.get("folded", ()))
        total = Counts(is_on=True)
        total.add(ended.get("counts", {}))
        for path in over:
            if path.name not in already:
                total.add(_read(path).get("counts", {}))
        folded = [path.name for path in over]
        _write(self._folder / ENDED, {"counts": total.as_dict(), "folded": folded})
        for path in over:
            path.unlink(missing_ok=True)
            path.with_suffix(".lock").unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    try:
        read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return read
    except FileNotFoundError:
        return {}


def _write(path: Path, what: dict[str, Any]) -> None:
    # By a rename, so that a reader sees either the old file or the new one.
    new = path.with_suffix(".new")
    new.write_text(json.dumps(what), encoding="utf-8")
    new.replace(path)


def _take(path: Path) -> int:
    """Lock a file for this process until the descriptor is closed."""
    import fcntl  # here, because Windows lacks it, and has no several processes at one port

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _is_free(path: Path) -> bool:
    """Whether the process that wrote a file has ended."""
    import fcntl

    descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = _take(path)
    try:
        yield
    finally:
        os.close(descriptor)
