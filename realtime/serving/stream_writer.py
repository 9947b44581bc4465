"""The stream writer: writes a stream's chunks to its client, after the request has ended.

It has no task of its own: the call that wakes the stream also writes it. With a task for each
stream, an event for a thousand clients would wake a thousand tasks that all read the same. A client
gets a task only while the server has to wait for it, or its events have to be read from the table.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..exceptions import DatabaseUnavailable
from ..hub.open_streams import CLIENT_LEFT, FAILED
from ..hub.stream import EventStream
from . import shutdown
from .servers import ClientConnection

logger = logging.getLogger("realtime")
streams_logger = logging.getLogger("realtime.streams")

Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class StreamWriter:
    """Writes one stream to the connection of its client.

    request_id: the id of the request that asked for the stream, for the log.
    """

    __slots__ = ("_catching_up", "_connection", "_is_ended", "_request_id", "_stream")

    def __init__(
        self, stream: EventStream, connection: ClientConnection, request_id: str = ""
    ) -> None:
        self._request_id = request_id
        self._stream = stream
        self._connection = connection
        self._is_ended = False
        # The task that goes on when the client or the database has to be waited for.
        self._catching_up: asyncio.Task[None] | None = None

    async def run(self, receive: Receive) -> None:
        """Write the stream until it ends or the client leaves."""
        began = asyncio.get_running_loop().time()
        try:
            async with self._stream:
                streams_logger.info("A stream is open", extra=self._about)
                self._stream.on_wake = self.flow
                self._stream.on_stall = self._hang_up
                self.flow()
                # This message also comes after the end of the response.
                # https://asgi.readthedocs.io/en/latest/specs/www.html#disconnect-receive-event
                while (await receive())["type"] != "http.disconnect":
                    pass
        except DatabaseUnavailable:
            await self._connection.end()
        finally:
            if streams_logger.isEnabledFor(logging.INFO):
                reason = self._stream.end_reason or CLIENT_LEFT
                seconds = round(asyncio.get_running_loop().time() - began, 3)
                extra = {**self._about, "reason": reason, "seconds": seconds}
                streams_logger.info("A stream has ended: %s", reason, extra=extra)
            self._stream.on_wake = self._stream.on_stall = None
            if self._catching_up is not None:
                self._catching_up.cancel()
                await asyncio.gather(self._catching_up, return_exceptions=True)

    @property
    def _about(self) -> dict[str, str]:
        """The fields of log records about this stream."""
        stream = self._stream
        about = {"stream": stream.name, "user": stream.access.user}
        return {**about, "request_id": self._request_id} if self._request_id else about

    def flow(self) -> None:
        """Write the next chunks for the client, as far as that is possible without waiting."""
        if self._catching_up is not None or self._is_ended:
            return
        try:
            waits_for = self._pour()
        except Exception as error:
            self._give_up(error)
            return
        if waits_for is not None:
            self._catching_up = asyncio.get_running_loop().create_task(
                self._catch_up(waits_for), name="realtime-catch-up"
            )

    def _pour(self) -> Awaitable[None] | None:
        """Write until there is nothing more, or return the awaitable that has to be waited for."""
        stream, connection = self._stream, self._connection
        while chunk := stream.take():
            waits_for = connection.write(chunk)
            if connection.is_server_ending:
                shutdown.drain()
            if waits_for is not None:
                return waits_for
            if stream.is_up_to_date:  # the case after nearly every chunk
                return None
        if stream.is_over:
            self._is_ended = True
            return connection.end()
        return stream.replay() if stream.is_behind else None

    async def _catch_up(self, waits_for: Awaitable[None] | None) -> None:
        try:
            while waits_for is not None:
                await waits_for
                waits_for = None if self._is_ended else self._pour()
        except Exception as error:
            self._give_up(error)
        finally:
            # Nothing was awaited after the stream was found empty, so no wake-up is missed.
            self._catching_up = None

    def _hang_up(self) -> None:
        try:
            is_cut = self._connection.hang_up()
        except Exception as error:
            # The caller still has to look after the other streams.
            logger.error("Could not hang up on a client", exc_info=error, extra=self._about)
            is_cut = False
        if not is_cut:
            self._stream.close(FAILED)

    def _give_up(self, error: Exception) -> None:
        """Cut off a client after an error, which must not reach the code that woke the stream."""
        self._is_ended = True
        # An OSError is how a server may say that the client has left.
        if not isinstance(error, OSError):
            self._stream.end_reason = self._stream.end_reason or FAILED
            logger.error(
                "Could not write to a client, so it is cut off", exc_info=error, extra=self._about
            )
            self._hang_up()
