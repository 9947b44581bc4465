"""The listener: the one LISTEN connection of a process.

https://www.postgresql.org/docs/current/sql-notify.html
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable

import psycopg
from psycopg import sql

from .connections import Parameters, connect
from .deadlines import deadline

logger = logging.getLogger("realtime")

PROBE_CHANNEL = "realtime_probe"
PROBE_SECONDS = 5.0
# How long to wait after a probe that did not arrive before the next one is sent.
DEAF_SECONDS = 60.0

DEAF = (
    "Notifications do not arrive: new events will only be found by polling every few seconds. "
    "Is the database reached through PgBouncer in transaction mode, which swallows LISTEN? Then "
    "give the listener a direct connection: REALTIME = {'LISTEN_URL': 'postgresql://…'}. It has "
    "to name the same database."
)


class Listener:
    """Passes on the notifications of some channels.

    hear: called with the channel and payload of each notification.
    listening: called when it has begun to listen; earlier notifications are missed.
    sender: returns the parameters of a connection like those that publishers notify over. It proves
        that their notifications arrive.
    silence_seconds: how long the connection may be silent before it is tested with a query.
    query_seconds: how long PostgreSQL may take to answer.
    """

    def __init__(
        self,
        channels: list[str],
        *,
        hear: Callable[[str, str], None],
        listening: Callable[[], None],
        sender: Callable[[], Awaitable[Parameters]],
        silence_seconds: float,
        query_seconds: float,
    ) -> None:
        self._channels = channels
        self._hear = hear
        self._listening = listening
        self._sender = sender
        self._silence_seconds = silence_seconds
        self._query_seconds = query_seconds
        # Connected, but notifications don't arrive.
        self.is_deaf = False

    async def listen(self, connection: psycopg.AsyncConnection) -> None:
        """Listen on this connection until it ends, which raises one of CONNECTION_ERRORS."""
        # The other channels only after the probe arrived. Behind PgBouncer the LISTEN would stay
        # with a server connection that other clients use next: they would receive notifications
        # that they never read.
        await self._begin(connection, PROBE_CHANNEL)
        while not await self._hears(connection):
            if not self.is_deaf:
                logger.error(DEAF)
            self.is_deaf = True
            await asyncio.sleep(DEAF_SECONDS)
            await self._begin(connection, PROBE_CHANNEL)
        self.is_deaf = False
        # For notifications that arrive together with the result of a query.
        connection.add_notify_handler(lambda heard: self._hear(heard.channel, heard.payload))
        await self._begin(connection, *self._channels)
        self._listening()
        while True:
            await self._hear_until_silence(connection)
            # There may be nothing to say, or the connection may be dead: a query tells.
            with deadline(self._query_seconds, connection):
                await connection.execute("SELECT")

    async def _hear_until_silence(self, connection: psycopg.AsyncConnection) -> None:
        """Return when nothing has come for `silence_seconds`; raise when the connection ends.

        It uses libpq's own calls, because `connection.notifies()` wakes up ten times a second and
        registers its socket again after each notification.
        https://www.postgresql.org/docs/current/libpq-notify.html
        """
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Exception] = loop.create_future()
        heard_at = loop.time()

        def read() -> None:
            nonlocal heard_at
            heard_at = loop.time()
            try:
                connection.pgconn.consume_input()
                while heard := connection.pgconn.notifies():
                    # If the database's encoding is SQL_ASCII, a payload can be any bytes.
                    self._hear(heard.relname.decode(), heard.extra.decode(errors="replace"))
            except Exception as error:
                loop.remove_reader(wire)
                ended.set_result(error)

        wire = connection.fileno()
        loop.add_reader(wire, read)
        try:
            while (silence := loop.time() - heard_at) < self._silence_seconds:
                await asyncio.wait([ended], timeout=self._silence_seconds - silence)
                if ended.done():
                    raise ended.result()
        finally:
            loop.remove_reader(wire)

    async def _begin(self, connection: psycopg.AsyncConnection, *channels: str) -> None:
        with deadline(self._query_seconds, connection):
            for channel in channels:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))

    async def _hears(self, connection: psycopg.AsyncConnection) -> bool:
        """Whether a notification sent from another connection arrives at this one.

        It has to be another connection: PgBouncer does deliver to a client the notifications that
        this client's own transaction sent.
        """
        token = secrets.token_hex(8)
        async with await connect(await self._sender()) as other:
            with deadline(self._query_seconds, other):
                await other.execute("SELECT pg_notify(%s, %s)", [PROBE_CHANNEL, token])
        give_up_at = asyncio.get_running_loop().time() + PROBE_SECONDS
        heard = False
        while not heard and (seconds := give_up_at - asyncio.get_running_loop().time()) > 0:
            async for notification in connection.notifies(timeout=seconds, stop_after=1):
                # Not `return`: the rest of this packet would be left for the next reader.
                heard = heard or notification.payload == token
        return heard
