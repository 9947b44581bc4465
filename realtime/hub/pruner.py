"""Prunes the event log by `REALTIME["RETENTION"]`, while the process serves.

Each process tries every few minutes. It leaves out a stream that another process is pruning, so the
number of processes doesn't matter.
"""

import asyncio
import logging
import random
import threading
from collections.abc import Callable

from django.db import DatabaseError, connections

logger = logging.getLogger("realtime")

# How long the end of the pruner waits for a batch that is under way.
CLOSE_SECONDS = 1.0


class Pruner:
    """Prunes the log of one database every `seconds`, in a thread. After each batch it rests for as
    long as the batch took.
    """

    def __init__(self, database: str, seconds: float) -> None:
        self._database = database
        self._seconds = seconds
        self._ended = threading.Event()
        # Whether the last run has failed.
        self._is_failing = False

    async def run(self) -> None:
        try:
            while True:
                # A random time, because processes are often started together.
                await asyncio.sleep(self._seconds * random.uniform(0.5, 1))
                await self._prune()
        finally:
            self._ended.set()

    async def _prune(self) -> None:
        clock = asyncio.get_running_loop().time
        pruning = asyncio.ensure_future(asyncio.to_thread(self._prune_in_thread, clock))
        try:
            await asyncio.shield(pruning)
            self._is_failing = False
        except asyncio.CancelledError:
            # The thread can't be cancelled, and has to close its database connection.
            self._ended.set()
            await asyncio.wait([pruning], timeout=CLOSE_SECONDS)
            raise
        except Exception as error:
            if not self._is_failing:  # logged once
                traceback = None if isinstance(error, DatabaseError) else error
                message = "Could not prune the event log, trying again later: %s"
                logger.warning(message, " ".join(str(error).split()), exc_info=traceback)
            self._is_failing = True

    def _prune_in_thread(self, clock: Callable[[], float]) -> None:
        # Imported here, because an asgi.py imports the hub before Django has loaded its models.
        from ..log import retention

        try:
            for due in retention.due(self._database):
                began = clock()
                for batch in retention.prune_due(due, wait=False):
                    what = due.stream if due.kind is None else f"{due.stream}, {due.kind}"
                    logger.info("%s: pruned %d events", what, batch.events)
                    if self._ended.wait(clock() - began):
                        return
                    began = clock()
        finally:
            # The thread pool keeps this thread; its connections would stay open for as long.
            connections.close_all()
