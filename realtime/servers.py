"""What differs between ASGI servers. The only place that knows any of them, with a fallback.

daphne passes an application's messages on to Twisted and returns at once, however slowly the client
reads; and it tells an application nothing about its own end. uvicorn does both by the book. Neither
lets an application hang up on a client. Of a server that isn't known here, streams expect what the
ASGI specification says, and no more.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any


@asynccontextmanager
async def flow_control(send: Any) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """A function to await after each `send`, until what was sent is on its way to the client.

    A client that doesn't read then stops its own stream, instead of growing the server's memory.
    """
    request = _twisted_request(send)
    if request is None:
        yield _nothing_to_wait_for  # the server's own `send` waits
        return
    producer = _Producer()
    request.registerProducer(producer, True)
    try:
        yield producer.flowing.wait
    finally:
        if request.channel is not None:  # else the client left, and took it along
            request.unregisterProducer()


def hang_up(send: Any) -> None:
    """Cut the connection to a client that doesn't read. Its application is told that it left.

    A response that just ended would wait in the server until the client has read all of it.
    """
    request = _twisted_request(send)
    if request is not None:
        request.channel.transport.abortConnection()
    elif (transport := getattr(getattr(send, "__self__", None), "transport", None)) is not None:
        transport.abort()  # uvicorn's `send` is a method of its request


def at_shutdown(close: Callable[[], Awaitable[None]]) -> None:
    """Await `close()` when the server that runs this event loop shuts down.

    For daphne, which has no lifespan protocol; the others say it by `lifespan.shutdown`.
    """
    loop = asyncio.get_running_loop()
    reactor = sys.modules.get("twisted.internet.reactor")
    if reactor is None or not reactor.running:
        return
    if getattr(reactor, "_asyncioEventloop", None) is not loop:
        return
    from twisted.internet.defer import Deferred

    reactor.addSystemEventTrigger(
        "before", "shutdown", lambda: Deferred.fromFuture(loop.create_task(close()))
    )


async def _nothing_to_wait_for() -> None:
    pass


def _twisted_request(send: Any) -> Any | None:
    """daphne's `send` is `partial(server.handle_reply, request)`; None if it is anything else."""
    request = send.args[0] if isinstance(send, partial) and send.args else None
    connected = getattr(request, "channel", None) is not None
    return request if connected and hasattr(request, "registerProducer") else None


class _Producer:
    """Twisted tells it when to pause and when to go on.

    https://docs.twisted.org/en/stable/core/howto/producers.html#push-producers
    """

    def __init__(self) -> None:
        self.flowing = asyncio.Event()
        self.flowing.set()

    def pauseProducing(self) -> None:
        self.flowing.clear()

    def resumeProducing(self) -> None:
        self.flowing.set()

    def stopProducing(self) -> None:
        self.flowing.set()  # the client is gone: nobody waits for it
