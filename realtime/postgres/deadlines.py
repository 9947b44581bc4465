"""Deadlines: how long an answer of PostgreSQL is waited for, before we hang up on it."""

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

# How long after the deadline of a thread what it asks then is hung up on as well.
AGAIN_SECONDS = 0.5


@contextmanager
def deadline(seconds: float, connection: psycopg.AsyncConnection) -> Iterator[None]:
    """Hang up on a server that doesn't answer before the block ends.

    That raises one of CONNECTION_ERRORS.

    The kernel notices a peer that is gone, see NOTICE_DEATH, but not one that acknowledges what
    it never answers: a proxy in between, a server whose disk is stuck. Not `asyncio.timeout`:
    psycopg answers a cancellation by asking that same server to cancel, and waits again.
    """
    timer = asyncio.get_running_loop().call_later(seconds, _hang_up, connection)
    try:
        yield
    finally:
        timer.cancel()


class DjangoDeadline:
    """The same for what Django's connections are asked in a thread: gives a wrapper for it.

        with DjangoDeadline(seconds) as timed:
            user = await asyncio.to_thread(timed(get_user), key)

    Otherwise that thread would be lost until TCP gives up, which may take hours. The time counts
    from where the function begins: before that it may wait for a thread.

    hang_up_if_cancelled: also when the block is cancelled, where nobody else uses the thread: a
        process that ends waits for its threads.
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
        # It forgets what it was to call, too: nothing is left to the garbage collector.
        self._timer.cancel()
        if self._hangs_up_if_cancelled and error is asyncio.CancelledError:
            self._hang_up()

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
            # Whoever was hung up on may ask again, over another connection.
            self._timer = self._loop.call_later(AGAIN_SECONDS, self._look)

    def _hang_up(self) -> None:
        for wrapper in self._of_thread:
            if isinstance(wrapper.connection, psycopg.Connection):
                _hang_up(wrapper.connection)


def _hang_up(connection: psycopg.BaseConnection) -> None:
    # Shut down, not closed: whoever waits for an answer gets the end of file, and closes it.
    with suppress(psycopg.OperationalError, OSError):  # it is closed already
        wire = socket.socket(fileno=connection.fileno())
        try:
            wire.shutdown(socket.SHUT_RDWR)
        finally:
            wire.detach()  # it stays libpq's
        logger.warning("Hung up on a database that does not answer")
