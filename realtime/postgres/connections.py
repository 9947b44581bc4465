"""The hub's own connections to PostgreSQL: asynchronous, in autocommit, outside Django's."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Self

import psycopg
from django.db import OperationalError, connections
from psycopg.conninfo import conninfo_to_dict

from .. import conf
from . import sessions
from .deadlines import deadline
from .explanations import explain

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
# Two connections a process: few enough to try often, and an open stream pauses until one is there.
LAST_RETRY_SECONDS = 2.0

# What is raised when the database is away. psycopg's waiting ends in a TimeoutError of ours;
# Django's own error comes from a backend that could not start its server.
CONNECTION_ERRORS = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    OperationalError,
    OSError,
    TimeoutError,
)


async def connection_parameters(alias: str) -> Parameters:
    """The parameters of a database in `DATABASES`: libpq's, and Django's `assume_role`.

    To be asked for each new connection: a backend may read a fresh password each time.
    """
    # In a thread: a backend may have to start its server first.
    parameters = await asyncio.to_thread(lambda: connections[alias].get_connection_params())
    own = {name: value for name, value in parameters.items() if name not in DJANGO_ONLY}
    role = connections[alias].settings_dict.get("OPTIONS", {}).get("assume_role")
    return {"application_name": "realtime", **NOTICE_DEATH, **own, "assume_role": role}


def direct_parameters(url: str) -> Parameters:
    """libpq's parameters of the server that a connection URL or string names."""
    return {"application_name": "realtime", **NOTICE_DEATH, **conninfo_to_dict(url)}


def keep_django_connections() -> None:
    """Let the connections of this thread outlive the request that they were opened for.

    Until whoever calls this closes them: `CONN_MAX_AGE` has no say over them any more.
    """
    for connection in connections.all(initialized_only=True):
        connection.close_at = None


class PreparedConnection(psycopg.AsyncConnection):
    """A connection in autocommit, set up as our sessions are, see sessions.py."""

    @classmethod
    async def connect(cls, conninfo: str = "", **parameters: Any) -> Self:
        """parameters: those of `connection_parameters()`.

        Raises one of CONNECTION_ERRORS if there is no way to it, and another psycopg.Error if the
        role may not be assumed.
        """
        assume_role = parameters.pop("assume_role", None)
        try:
            connection = await super().connect(conninfo, **{**parameters, "autocommit": True})
        except asyncio.CancelledError as cancelled:
            # Whoever keeps the error, as a cancelled task does, must not keep what is connected so
            # far: nobody but its traceback knows of it, and it ends with the last who does.
            raise cancelled.with_traceback(None) from None
        try:
            with deadline(conf.get("QUERY_SECONDS"), connection):
                await sessions.prepare(connection, assume_role)
        except BaseException:
            await connection.close()
            raise
        return connection


async def connect(parameters: Parameters) -> PreparedConnection:
    """See PreparedConnection."""
    return await PreparedConnection.connect(**parameters)


class KeptConnection:
    """A connection that is made anew whenever it ends, for as long as `keep()` runs.

    purpose: what it is for, in the words of the log: “listen to the event log”.
    use: gets each connection in turn, and calls `works()` once it has proved good.
    refused: called when there is none to be had, with the reason.
    """

    def __init__(
        self,
        purpose: str,
        parameters: Callable[[], Awaitable[Parameters]],
        use: Callable[[psycopg.AsyncConnection], Awaitable[None]],
        *,
        refused: Callable[[str], None] = lambda reason: None,
    ) -> None:
        # Since when there is one that works; None: there is none.
        self.works_since: datetime | None = None
        # Why none is to be had: the attempt to make one has failed. None: not known.
        self.away: str | None = None
        # The same in a sentence that anyone may read; None: there is none.
        self.explanation: str | None = None
        self._purpose = purpose
        self._parameters = parameters
        self._use = use
        self._refused = refused
        # The last reason in the log. Said once, however often it is the same.
        self._logged: str | None = None

    def works(self) -> None:
        """To be called by `use`, as often as it likes."""
        if self.works_since is not None:
            return
        self.works_since = datetime.now(UTC)
        self.away = self.explanation = None
        if self._logged is not None:
            logger.warning("Connected again, to %s.", self._purpose)
            self._logged = None

    async def keep(self) -> None:
        retry_seconds = FIRST_RETRY_SECONDS
        while True:
            try:
                connection = await connect(await self._parameters())
                try:
                    await self._use(connection)
                finally:
                    # Not `async with`: it would say ROLLBACK to a server that may not listen.
                    await connection.close()
            except CONNECTION_ERRORS as error:
                reason = " ".join(str(error).split()) or "it did not answer in time"
                if (explanation := explain(error)) is not None:
                    reason = f"{explanation} ({reason})"
                self.explanation = explanation
                self._ended(reason, "Lost the connection to %s, trying again: %s", reason)
            except psycopg.Error as error:
                self.explanation = explanation = explain(error)
                if explanation is None:
                    self._ended(repr(error), "Could not %s, trying again", exc_info=error)
                else:
                    reason = f"{explanation} ({' '.join(str(error).split())})"
                    self._ended(reason, "Could not %s, trying again: %s", reason)
            except Exception as error:
                # A bug, or tables that are not there yet. It must not leave a process with open
                # streams and nobody who feeds them.
                self.explanation = None
                self._ended(repr(error), "Could not %s, trying again", exc_info=error)
            if self.works_since is not None:
                self.works_since = None
                retry_seconds = FIRST_RETRY_SECONDS
            await asyncio.sleep(retry_seconds * random.uniform(0.5, 1))
            retry_seconds = min(retry_seconds * 2, LAST_RETRY_SECONDS)

    def _ended(
        self, reason: str, message: str, *arguments: Any, exc_info: Exception | None = None
    ) -> None:
        if reason != self._logged:
            level = logging.WARNING if exc_info is None else logging.ERROR
            logger.log(level, message, self._purpose, *arguments, exc_info=exc_info)
            self._logged = reason
        if self.works_since is None:
            self.away = reason
            self._refused(reason)
