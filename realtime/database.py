"""The hub's own connections to PostgreSQL: asynchronous, in autocommit, outside Django's.

And for how long an answer is waited for, on these and on Django's.
"""

import asyncio
import logging
import random
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from django.db import connections
from psycopg.conninfo import conninfo_to_dict

logger = logging.getLogger("realtime")

Parameters = dict[str, Any]

# A server that is gone without a word (a cut cable, an address that failed over) is noticed by
# the kernel within about ten seconds, not after the hours that TCP would wait by itself.
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-KEEPALIVES
NOTICE_DEATH = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
# What Django adds for its own cursors.
DJANGO_ONLY = {"cursor_factory", "context"}

FIRST_RETRY_SECONDS = 0.1
LAST_RETRY_SECONDS = 5.0

# What is raised when the database is away. psycopg's waiting ends in a TimeoutError of ours.
AWAY = (psycopg.OperationalError, psycopg.InterfaceError, OSError, TimeoutError)


async def connection_parameters(alias: str) -> Parameters:
    """libpq's parameters of a database in `DATABASES`."""
    # In a thread: a backend may have to start its server first.
    parameters = await asyncio.to_thread(lambda: connections[alias].get_connection_params())
    own = {name: value for name, value in parameters.items() if name not in DJANGO_ONLY}
    return {"application_name": "realtime", **NOTICE_DEATH, **own}


def direct_parameters(url: str) -> Parameters:
    """libpq's parameters of the server that a connection URL or string names."""
    return {"application_name": "realtime", **NOTICE_DEATH, **conninfo_to_dict(url)}


async def connect(parameters: Parameters) -> psycopg.AsyncConnection:
    """A connection in autocommit. Raises one of AWAY if there is no way to it."""
    connection = await psycopg.AsyncConnection.connect(**parameters, autocommit=True)
    # number_events needs it, whatever the project's default is: see the head of its file.
    await connection.set_isolation_level(psycopg.IsolationLevel.READ_COMMITTED)
    return connection


@contextmanager
def answered_within(seconds: float, connection: psycopg.AsyncConnection) -> Iterator[None]:
    """Hang up on a server that doesn't answer before the block ends: that raises one of AWAY.

    The kernel notices a peer that is gone, see NOTICE_DEATH, but not one that acknowledges what
    it never answers: a proxy in between, a server whose disk is stuck. Not `asyncio.timeout`:
    psycopg answers a cancellation by asking that same server to cancel, and waits again.
    """
    timer = asyncio.get_running_loop().call_later(seconds, _hang_up, connection)
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def django_answered_within(
    seconds: float,
) -> Iterator[Callable[[Callable[..., Any]], Callable[..., Any]]]:
    """The same for what Django's connections are asked in a thread: gives a wrapper for it.

        with django_answered_within(seconds) as watched:
            user = await asyncio.to_thread(watched(get_user), key)

    Otherwise that thread would be lost until TCP gives up, which may take hours.
    """
    of_thread: list[Any] = []

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            of_thread.extend(connections.all())
            return function(*args)

        return call

    def hang_up() -> None:
        for wrapper in of_thread:
            if isinstance(wrapper.connection, psycopg.Connection):
                _hang_up(wrapper.connection)

    timer = asyncio.get_running_loop().call_later(seconds, hang_up)
    try:
        yield watched
    finally:
        timer.cancel()


def _hang_up(connection: psycopg.BaseConnection) -> None:
    # Shut down, not closed: whoever waits for an answer gets the end of file, and closes it.
    with suppress(psycopg.OperationalError, OSError):  # it is closed already
        wire = socket.socket(fileno=connection.fileno())
        try:
            wire.shutdown(socket.SHUT_RDWR)
        finally:
            wire.detach()  # it stays libpq's
        logger.warning("Hung up on a database that does not answer")


async def keep_connected(
    purpose: str,
    parameters: Callable[[], Awaitable[Parameters]],
    use: Callable[[psycopg.AsyncConnection], Awaitable[None]],
) -> None:
    """Give `use` a connection, and a new one whenever it ends, for as long as the task lives.

    purpose: what the connection is for, in the words of the log: “listen to the event log”.
    """
    clock = asyncio.get_running_loop().time
    retry_seconds = FIRST_RETRY_SECONDS
    while True:
        began = clock()
        try:
            connection = await connect(await parameters())
            try:
                await use(connection)
            finally:
                # Not `async with`: it would say ROLLBACK to a server that may not listen.
                await connection.close()
        except AWAY as error:
            reason = str(error).strip() or type(error).__name__
            logger.warning("Lost the connection to %s: %s", purpose, reason)
        except Exception:
            # A bug must not leave a process with open streams and nobody who feeds them.
            logger.exception("Could not %s", purpose)
        if clock() - began > LAST_RETRY_SECONDS:
            retry_seconds = FIRST_RETRY_SECONDS
        await asyncio.sleep(retry_seconds * random.uniform(0.5, 1))
        retry_seconds = min(retry_seconds * 2, LAST_RETRY_SECONDS)
