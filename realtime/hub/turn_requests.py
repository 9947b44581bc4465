"""What callers wait for: that the next turn of a log follower answers it."""

import asyncio
from typing import Any

from ..exceptions import DatabaseUnavailable
from .recent_events import RecentEvents


class TurnRequests:
    """The requests of one turn. Calls at the same time share one request.

    catch_up: for the tail of a stream, by the stream's name.
    measure: for the age in seconds of the oldest event that still waits; None: nobody asks.
    """

    def __init__(self) -> None:
        self.catch_up: dict[str, asyncio.Future[RecentEvents]] = {}
        self.measure: asyncio.Future[float] | None = None

    def fail(self, reason: str) -> None:
        """Raise DatabaseUnavailable in everyone who waits."""
        for waiting in self._all():
            if not waiting.done():
                waiting.set_exception(DatabaseUnavailable(reason))
                waiting.exception()  # the waiter may have left: this prevents asyncio's warning

    def cancel(self) -> None:
        """Cancel everyone who waits."""
        for waiting in self._all():
            waiting.cancel()

    def _all(self) -> list[asyncio.Future[Any]]:
        return [*self.catch_up.values(), *([] if self.measure is None else [self.measure])]
