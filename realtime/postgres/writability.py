"""Whether a request that begins now could write to the database, and if not, why.

Asked over a connection that is made as requests make theirs. The hub's own connections live on
while nobody else gets one, and were perhaps begun before the database became read-only.
"""

import asyncio
import logging
from collections.abc import Callable
from contextvars import Context
from typing import NamedTuple

from django.db import Error, connections

from .explanations import BY_SQLSTATE, READ_ONLY, explain

logger = logging.getLogger("realtime")

# However often it is asked, no more than so many seconds apart is a connection made for it.
FRESH_SECONDS = 1.0

NO_NEW_CONNECTIONS = (
    "New connections to the database fail, so nothing can be written; what this process has logged "
    "says why."
)
# A table to which every publisher writes.
LOOK = """
    SELECT current_setting('transaction_read_only') = 'on',
        has_table_privilege('realtime_outbox', 'INSERT')
"""


class Refusal(NamedTuple):
    """reason: a sentence that anyone may read. details: what else the log is told, or nothing."""

    reason: str
    details: str = ""


class Writability:
    """What is known of the database of one event loop.

    look: returns why nothing can be written, or None. Called in a thread.
    """

    def __init__(self, look: Callable[[], Refusal | None]) -> None:
        self._look = look
        self._refusal: Refusal | None = None
        self._looked_at: float | None = None
        self._looking: asyncio.Task[None] | None = None

    async def why_not(self, seconds: float) -> str | None:
        """Why nothing can be written; None: it can, as far as is known.

        seconds: how long to wait for an answer; after that what was known before is told. Whoever
            else asks meanwhile gets the same answer.
        """
        now = asyncio.get_running_loop().time()
        if self._looking is None and (
            self._looked_at is None or now >= self._looked_at + FRESH_SECONDS
        ):
            # In a context of its own: whichever request came first must not live on in it.
            self._looking = asyncio.get_running_loop().create_task(
                self._find_out(), name="realtime-writability", context=Context()
            )
        if self._looking is not None:
            await asyncio.wait([self._looking], timeout=seconds)
        return None if self._refusal is None else self._refusal.reason

    async def close(self) -> None:
        """Leave off what is under way. Its thread ends by the time-out of its connection."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _find_out(self) -> None:
        try:
            refusal = await asyncio.to_thread(self._look)
        except Exception as error:
            logger.error("Could not look whether the database takes writes", exc_info=error)
            refusal = Refusal(NO_NEW_CONNECTIONS)
        self._note(refusal)
        self._looked_at = asyncio.get_running_loop().time()
        self._looking = None

    def _note(self, refusal: Refusal | None) -> None:
        if refusal is None and self._refusal is not None:
            logger.warning("The database takes writes again.")
        elif refusal is not None and refusal != self._refusal:
            details = f" ({refusal.details})" if refusal.details else ""
            logger.warning("Nothing can be written now. %s%s", refusal.reason, details)
        self._refusal = refusal


def why_not_writable(database: str) -> Refusal | None:
    """In a thread: why nothing can be written to this database now; None: it can."""
    connection = connections[database]
    try:
        with connection.cursor() as cursor:
            cursor.execute(LOOK)
            is_read_only, may_publish = cursor.fetchone()
    except Error as error:
        details = " ".join(str(error).split())
        return Refusal(explain(error) or NO_NEW_CONNECTIONS, details)
    finally:
        # The thread is kept for later; a session of PostgreSQL is not.
        connection.close()
    if is_read_only:
        return Refusal(READ_ONLY)
    if not may_publish:
        return Refusal(BY_SQLSTATE["42501"], "it may not INSERT into realtime_outbox")
    return None
