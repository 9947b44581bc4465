"""Deadlines: how long we wait for PostgreSQL's answer before we close the connection."""

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from django.db import connections

from . import sessions

logger = logging.getLogger("realtime")

# After its deadline a thread's connections are looked at this often, and new ones closed as well.
AGAIN_SECONDS = 0.5


@contextmanager
def deadline(seconds: float, connection: psycopg.AsyncConnection) -> Iterator[None]:
    """Close the connection if the block takes longer than `seconds`.

    The query in the block then raises one of CONNECTION_ERRORS.

    The kernel notices a peer that is gone, see NOTICE_DEATH. It doesn't notice a peer that
    acknowledges packets and never answers: a proxy, or a server whose disk is stuck.
    `asyncio.timeout` doesn't help: when psycopg is cancelled it asks the same server to cancel the
    query, and waits again.
    """
    timer = asyncio.get_running_loop().call_later(seconds, _hang_up, connection)
    try:
        yield
    finally:
        timer.cancel()


class DjangoDeadline:
    """A deadline for a function that uses Django's connections in a thread.

        with DjangoDeadline(seconds) as timed:
            user = await asyncio.to_thread(timed(get_user), key)

    Without it the thread would be blocked until TCP gives up, which may take hours. The time
    starts when the function starts, because the function may have to wait for a thread first.

    hang_up_if_cancelled: close the thread's connections also when the block is cancelled. Only for
        a thread that nobody else uses. A process that ends waits for its threads.
    """

    __slots__ = ("_began", "_hangs_up_if_cancelled", "_loop", "_of_thread", "_seconds", "_timer")
    _timer: asyncio.TimerHandle

    def __init__(self, seconds: float, *, hang_up_if_cancelled: bool = False) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._hangs_up_if_cancelled = hang_up_if_cancelled
        self._began: float | None = None
        self._of_thread: list[Any] = []

    def __enter__(self) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        self._timer = self._loop.call_later(self._seconds, self._look)
        return self._timed

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        # A cancelled timer drops its callback as well, so no reference cycle is left.
        self._timer.cancel()
        if self._hangs_up_if_cancelled and error is asyncio.CancelledError:
            self._hang_up(is_overdue=False)

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            self._of_thread = list(connections.all())
            self._began = self._loop.time()
            with sessions.noticing_hang_ups():
                return function(*args)

        return call

    def _look(self) -> None:
        now = self._loop.time()
        due = (now if self._began is None else self._began) + self._seconds
        if now < due:
            self._timer = self._loop.call_at(due, self._look)
        else:
            self._hang_up()
            # The function may catch the error and query again, over another connection.
            self._timer = self._loop.call_later(AGAIN_SECONDS, self._look)

    def _hang_up(self, *, is_overdue: bool = True) -> None:
        for wrapper in self._of_thread:
            if isinstance(wrapper.connection, psycopg.Connection):
                _hang_up(wrapper.connection, is_overdue=is_overdue)


def _hang_up(connection: psycopg.BaseConnection, *, is_overdue: bool = True) -> None:
    # Shut down, not closed: the thread that waits for an answer reads end of file, and closes it.
    with suppress(psycopg.OperationalError, OSError):  # it is closed already
        wire = socket.socket(fileno=connection.fileno())
        try:
            wire.shutdown(socket.SHUT_RDWR)
        finally:
            wire.detach()  # it stays libpq's
        if is_overdue:
            logger.warning("Hung up on a database that does not answer")
