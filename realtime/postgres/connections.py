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

# With these, the kernel notices within about ten seconds that a server has silently gone (a cut
# cable, an address that failed over). TCP by itself would wait for hours.
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-KEEPALIVES
NOTICE_DEATH = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
# Parameters that Django adds for its own cursors; psycopg's connect() doesn't know them.
DJANGO_ONLY = {"cursor_factory", "context"}

FIRST_RETRY_SECONDS = 0.1
# Short, because open streams pause until there is a connection. A process keeps only two, so the
# retries cost little.
LAST_RETRY_SECONDS = 2.0

# The errors that say that the database can't be reached. TimeoutError comes from our deadlines,
# Django's OperationalError from a backend that could not start its server.
CONNECTION_ERRORS = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    OperationalError,
    OSError,
    TimeoutError,
)


async def connection_parameters(alias: str) -> Parameters:
    """The parameters of a database in `DATABASES`: libpq's, and Django's `assume_role`.

    Call it for each new connection: a backend may read a fresh password each time.
    """
    # In a thread, because a backend may have to start its server first.
    parameters = await asyncio.to_thread(lambda: connections[alias].get_connection_params())
    own = {name: value for name, value in parameters.items() if name not in DJANGO_ONLY}
    role = connections[alias].settings_dict.get("OPTIONS", {}).get("assume_role")
    return {"application_name": "realtime", **NOTICE_DEATH, **own, "assume_role": role}


def direct_parameters(url: str) -> Parameters:
    """libpq's parameters for the server that a connection URL or string names."""
    return {"application_name": "realtime", **NOTICE_DEATH, **conninfo_to_dict(url)}


class PreparedConnection(psycopg.AsyncConnection):
    """A connection in autocommit, with the settings that sessions.py gives to our sessions."""

    @classmethod
    async def connect(cls, conninfo: str = "", **parameters: Any) -> Self:
        """Open a connection and prepare its session.

        parameters: those of `connection_parameters()`.

        Raises one of CONNECTION_ERRORS if the server can't be reached, and another psycopg.Error
        if the role may not be assumed.
        """
        assume_role = parameters.pop("assume_role", None)
        try:
            connection = await super().connect(conninfo, **{**parameters, "autocommit": True})
        except asyncio.CancelledError as cancelled:
            # Only the traceback still refers to the half-open connection. A cancelled task keeps
            # its error, so without this line it would keep that connection open as well.
            raise cancelled.with_traceback(None) from None
        try:
            with deadline(conf.get("QUERY_SECONDS"), connection):
                await sessions.prepare(connection, assume_role)
        except BaseException:
            await connection.close()
            raise
        return connection


async def connect(parameters: Parameters) -> PreparedConnection:
    """Open a PreparedConnection with these parameters."""
    return await PreparedConnection.connect(**parameters)


class KeptConnection:
    """A connection that is opened again whenever it ends, for as long as `keep()` runs.

    purpose: what the connection is for, as log messages say it: “listen to the event log”.
    parameters: returns the parameters for each new connection.
    use: is given each new connection, and calls `works()` once the connection has proved good.
    refused: is called with the reason when no connection can be opened.
    """

    def __init__(
        self,
        purpose: str,
        parameters: Callable[[], Awaitable[Parameters]],
        use: Callable[[psycopg.AsyncConnection], Awaitable[None]],
        *,
        refused: Callable[[str], None] = lambda reason: None,
    ) -> None:
        # When the present connection proved good; None: there is no such connection.
        self.works_since: datetime | None = None
        # Why the last attempt to connect failed; None: it didn't, or none was made.
        self.away: str | None = None
        # What the last error means, as a sentence without secrets; None: no sentence fits.
        self.explanation: str | None = None
        self._purpose = purpose
        self._parameters = parameters
        self._use = use
        self._refused = refused
        # The last reason that was logged: the same reason is logged only once.
        self._logged: str | None = None

    def works(self) -> None:
        """Note that the present connection is good. `use` may call this repeatedly."""
        if self.works_since is not None:
            return
        self.works_since = datetime.now(UTC)
        self.away = self.explanation = None
        if self._logged is not None:
            logger.warning("Connected again, to %s.", self._purpose)
            self._logged = None

    async def keep(self) -> None:
        """Connect and use the connection, again and again, until the task is cancelled."""
        retry_seconds = FIRST_RETRY_SECONDS
        while True:
            try:
                connection = await connect(await self._parameters())
                try:
                    await self._use(connection)
                finally:
                    # Not `async with`: it would send ROLLBACK to a server that may not answer.
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
                # A bug, or tables that don't exist yet. If this loop ended here, the process would
                # keep its streams open and never send them anything.
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
