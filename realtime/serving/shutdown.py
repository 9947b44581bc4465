"""The end of a process: its streams are closed one after the other, then the server stops.

ASGI servers wait for open requests (uvicorn, for ever) or cut them all at once (daphne), so that a
thousand clients reconnect in the same second. So this module handles SIGTERM first: it closes the
streams one after the other, and then calls the server's own handler. SIGINT (Ctrl-C) goes to the
server at once, and so does a second signal of either kind.
"""

import asyncio
import signal
import threading
from types import FrameType
from typing import Any
from weakref import WeakSet

from .. import conf
from ..hub.hub import Hub
from . import servers

# How long a server's shutdown waits at most for the last chunks to be sent.
LAST_WORDS_SECONDS = 1.0

# Kept here, because the loop keeps only a weak reference to a task.
_draining: set[asyncio.Task[None]] = set()
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
    if hub.is_draining:
        return
    hub.is_draining = True
    task = asyncio.get_running_loop().create_task(
        hub.drain(conf.get("DRAIN_SECONDS")), name="realtime-drain"
    )
    _draining.add(task)
    task.add_done_callback(_draining.discard)


async def _last_words(hub: Hub) -> None:
    """Wait until the streams' last chunks are sent: some middleware passes them on later."""
    for _ in range(50):
        if not len(hub.streams):
            return
        await asyncio.sleep(LAST_WORDS_SECONDS / 50)


def _drain_first(number: signal.Signals, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    """Close the streams before the server's own handler of a signal is called."""
    servers_own: Any = signal.getsignal(number)
    if not callable(servers_own):
        return
    # Kept here, because the loop keeps only a weak reference to a task.
    draining: asyncio.Task[None] | None = None

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal draining
        # The server's handler is restored first, so that a second signal goes to the server.
        signal.signal(number, servers_own)

        async def drain() -> None:
            hub = Hub.current()
            try:
                await hub.drain(seconds)
                if seconds:
                    await _last_words(hub)
            finally:
                servers_own(number, frame)

        def start() -> None:
            nonlocal draining
            draining = loop.create_task(drain(), name="realtime-drain")

        loop.call_soon_threadsafe(start)

    signal.signal(number, handle)
