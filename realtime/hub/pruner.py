"""Keeps the event log as long as `REALTIME["RETENTION"]` says, beside everything else.

Each process looks every few minutes. Who comes to a stream that another one prunes leaves it to
that one, so it doesn't matter how many there are.
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
    """Prunes the log of one database every `seconds`, in a thread, with a rest after each batch as
    long as it took.
    """

    def __init__(self, database: str, seconds: float) -> None:
        self._database = database
        self._seconds = seconds
        self._ended = threading.Event()
        # Whether the last time has failed.
        self._is_failing = False

    async def run(self) -> None:
        try:
            while True:
                # At random, for processes are often started together.
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
            # A thread can't be cancelled, and has a session to give back.
            self._ended.set()
            await asyncio.wait([pruning], timeout=CLOSE_SECONDS)
            raise
        except Exception as error:
            if not self._is_failing:  # said once
                traceback = None if isinstance(error, DatabaseError) else error
                message = "Could not prune the event log, trying again later: %s"
                logger.warning(message, " ".join(str(error).split()), exc_info=traceback)
            self._is_failing = True

    def _prune_in_thread(self, clock: Callable[[], float]) -> None:
        # Here, for an asgi.py imports the hub before Django has loaded its models.
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
            # The thread is kept for later; a session of PostgreSQL is not.
            connections.close_all()
