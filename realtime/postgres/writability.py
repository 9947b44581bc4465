"""Whether a request that begins now could write to the database, and if not, why.

It uses a new connection, opened as requests open theirs. The hub's own connections tell nothing:
they stay open when new ones are refused, and may be older than a change to read-only.
"""

import asyncio
import logging
from collections.abc import Callable
from contextvars import Context
from typing import NamedTuple

from django.db import Error, connections

from .explanations import BY_SQLSTATE, READ_ONLY, explain

logger = logging.getLogger("realtime")

# At most one connection is opened for this in so many seconds, however often it is asked.
FRESH_SECONDS = 1.0

NO_NEW_CONNECTIONS = (
    "New connections to the database fail, so nothing can be written; the log of this process "
    "says why."
)
# A table to which every publisher writes.
LOOK = """
    SELECT current_setting('transaction_read_only') = 'on',
        has_table_privilege('realtime_outbox', 'INSERT')
"""


class Refusal(NamedTuple):
    """reason: a sentence without secrets. details: what is logged in addition; may be empty."""

    reason: str
    details: str = ""


class Writability:
    """Whether a database can be written to, as the process of one event loop last saw it.

    look: returns why nothing can be written, or None. It is called in a thread.
    """

    def __init__(self, look: Callable[[], Refusal | None]) -> None:
        self._look = look
        self._refusal: Refusal | None = None
        self._looked_at: float | None = None
        self._looking: asyncio.Task[None] | None = None

    async def why_not(self, seconds: float) -> str | None:
        """The reason why nothing can be written; None: as far as is known, writes work.

        seconds: how long to wait for an answer; after that the last known answer is returned.
            Calls at the same time share one look.
        """
        now = asyncio.get_running_loop().time()
        if self._looking is None and (
            self._looked_at is None or now >= self._looked_at + FRESH_SECONDS
        ):
            # In a context of its own: the task must not keep the first request's context alive.
            self._looking = asyncio.get_running_loop().create_task(
                self._find_out(), name="realtime-writability", context=Context()
            )
        if self._looking is not None:
            await asyncio.wait([self._looking], timeout=seconds)
        return None if self._refusal is None else self._refusal.reason

    async def close(self) -> None:
        """Cancel the look that is under way. Its thread ends by the connection's time-out."""
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
    """The reason why nothing can be written to this database now, or None. Call it in a thread."""
    connection = connections[database]
    try:
        with connection.cursor() as cursor:
            cursor.execute(LOOK)
            is_read_only, may_publish = cursor.fetchone()
    except Error as error:
        details = " ".join(str(error).split())
        return Refusal(explain(error) or NO_NEW_CONNECTIONS, details)
    finally:
        # The thread pool keeps this thread; the session would stay open for as long.
        connection.close()
    if is_read_only:
        return Refusal(READ_ONLY)
    if not may_publish:
        return Refusal(BY_SQLSTATE["42501"], "it may not INSERT into realtime_outbox")
    return None
