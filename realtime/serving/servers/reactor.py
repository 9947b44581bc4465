"""Twisted's reactor, which runs the event loop of daphne."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

# How many clients may wait to be accepted. The kernel has a limit of its own (somaxconn).
BACKLOG = 4096


def at_shutdown(close: Callable[[], Awaitable[None]]) -> None:
    """Await `close()` when the server that runs this event loop shuts down.

    For daphne, which has no lifespan protocol; other servers send `lifespan.shutdown`.
    """
    reactor = running_reactor()
    if reactor is None:
        return
    from twisted.internet.defer import Deferred

    reactor.addSystemEventTrigger(
        "before", "shutdown", lambda: Deferred.fromFuture(asyncio.ensure_future(close()))
    )


def running_reactor() -> Any:
    """Twisted's reactor, if it runs this event loop."""
    reactor: Any = sys.modules.get("twisted.internet.reactor")
    if reactor is None or not reactor.running:
        return None
    is_ours = getattr(reactor, "_asyncioEventloop", None) is asyncio.get_running_loop()
    return reactor if is_ours else None


def let_crowds_wait() -> None:
    """Let more clients wait to be accepted, once the server listens.

    daphne lets 50 wait, uvicorn 2,048. A client that finds no place tries again after one second,
    then two, then four. Measured with a thousand at once on a core that had other work: all had
    their streams after 19 to 23 s instead of 29 s.
    """
    reactor = sys.modules.get("twisted.internet.reactor")
    if reactor is not None:
        reactor.callWhenRunning(_widen_backlogs, reactor)


def _widen_backlogs(reactor: Any) -> None:
    from twisted.internet.tcp import Port

    for reader in reactor.getReaders():
        if isinstance(reader, Port):
            # A second listen() only changes the length of the queue.
            reader.socket.listen(BACKLOG)
