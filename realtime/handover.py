"""The handover: a stream outlives its request.

Django keeps a thread for each request that is open, and with it a database connection once the ORM
was touched: a thousand open streams would be a thousand threads, and the end of the database. So
the view hands its stream over to `realtime.asgi.outlive_request`, which wraps Django: Django
authenticates and answers, its middleware unwinds, `request_finished` fires, thread and connection
go back; then the stream goes on alone.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import cache, partial
from typing import Any

from django.http import HttpRequest

from . import servers
from .stream import EventStream

logger = logging.getLogger("realtime")

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

SCOPE_KEY = "realtime.handover"


def hand_over(stream: EventStream, request: HttpRequest) -> bool:
    """Let the stream go on after this request; False if nobody is there to take it."""
    handover = getattr(request, "scope", {}).get(SCOPE_KEY)
    if handover is None:
        _say_what_is_missing()
        return False
    handover.stream = stream
    return True


@cache
def _say_what_is_missing() -> None:
    """Once a process."""
    logger.warning(
        "Each open stream holds a thread, and with it a database connection, because the ASGI "
        "application is not wrapped. In asgi.py: from realtime.asgi import outlive_request; "
        "application = outlive_request(get_asgi_application())"
    )


class Handover:
    """Stands between Django and the server for one request, and goes on after it.

    `receive` and `send` are what Django gets. What it sends passes through, but for the end of
    the body once a stream was handed over.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self.stream: EventStream | None = None
        self._receive = receive
        self._send = send
        self._answered = False
        self._disconnected = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._disconnected = message["type"] == "http.disconnect"
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            # Unless some middleware put another response in its place.
            self._answered = self.stream is not None and _is_event_stream(message)
        elif self._answered:
            return
        await self._send(message)

    async def go_on(self) -> None:
        """Send what the stream yields, until it ends or the client leaves."""
        if not self._answered or self._disconnected:
            return
        self.stream.on_stall = partial(servers.hang_up, self._send)
        leaves = asyncio.create_task(self._receive(), name="realtime-client-leaves")
        leaves.add_done_callback(lambda _: self.stream.close())
        try:
            async with (
                aclosing(self.stream.chunks()) as chunks,
                servers.flow_control(self._send) as drained,
            ):
                async for chunk in chunks:
                    await self._send(_body(chunk, more_body=True))
                    await drained()
            await self._send(_body(b"", more_body=False))
        finally:
            leaves.cancel()
            await asyncio.gather(leaves, return_exceptions=True)


def _is_event_stream(start: Message) -> bool:
    content_types = [value for name, value in start["headers"] if name.lower() == b"content-type"]
    return content_types == [b"text/event-stream"]


def _body(chunk: bytes, *, more_body: bool) -> Message:
    return {"type": "http.response.body", "body": chunk, "more_body": more_body}
