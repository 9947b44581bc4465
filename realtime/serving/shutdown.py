"""The end of a process: its streams are closed one after the other, then the server stops.

ASGI servers wait for open requests (uvicorn, for ever) or cut them all at once (daphne), so that a
thousand clients reconnect in the same second. So this module handles SIGTERM first: it closes the
streams one after the other, and then calls the server's own handler. SIGINT (Ctrl-C) goes to the
server at once, and so does a second signal of either kind.
"""

import asyncio
import logging
import signal
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any
from weakref import WeakSet

from .. import conf
from ..hub.hub import Hub
from . import servers

logger = logging.getLogger("realtime")

# How long a server's shutdown waits at most for the last chunks to be sent.
LAST_WORDS_SECONDS = 1.0

# The event loops whose end is prepared. A loop outlives its hub, and takes no attributes.
_prepared: WeakSet[asyncio.AbstractEventLoop] = WeakSet()


def prepare() -> None:
    """Prepare for the shutdown of the server that runs this event loop. Once is enough."""
    loop = asyncio.get_running_loop()
    if loop in _prepared:
        return
    _prepared.add(loop)
    servers.at_shutdown(Hub.close_current)
    # Only the main thread can handle signals. Under the autoreloader the server runs in another
    # thread, and the process just ends.
    if threading.current_thread() is threading.main_thread():
        _drain_first(signal.SIGTERM, loop, conf.get("DRAIN_SECONDS"))
        _drain_first(signal.SIGINT, loop, 0)


def drain() -> None:
    """Close the streams of a server that ends by itself, such as after a number of requests.

    uvicorn waits for them then, and gunicorn would kill it after a while.
    """
    hub = Hub.current()
    if not hub.is_draining:
        hub.is_draining = True
        hub.run("drain", hub.drain(conf.get("DRAIN_SECONDS")))


def _drain_first(number: signal.Signals, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    """Close the streams before the server's own handler of a signal is called."""
    servers_own: Any = signal.getsignal(number)
    if not callable(servers_own):
        return

    def handle(number: int, frame: FrameType | None) -> None:
        # The server's handler is restored first, so that a second signal goes to the server.
        signal.signal(number, servers_own)
        loop.call_soon_threadsafe(start, partial(servers_own, number, frame))

    def start(end: Callable[[], object]) -> None:
        hub = Hub.current()
        hub.run("drain", _drain_and_end(hub, seconds, end))

    signal.signal(number, handle)


async def _drain_and_end(hub: Hub, seconds: float, end: Callable[[], object]) -> None:
    """Close the streams over this time, then end the server.

    When this is cancelled, the hub was closed, so the server is ending already.
    """
    try:
        await hub.drain(seconds)
        if seconds:
            await _last_words(hub)
    except Exception:
        logger.exception("Could not close all streams before the server ends")
    end()


async def _last_words(hub: Hub) -> None:
    """Wait until the streams' last chunks are sent: some middleware passes them on later."""
    for _ in range(50):
        if not len(hub.streams):
            return
        await asyncio.sleep(LAST_WORDS_SECONDS / 50)
