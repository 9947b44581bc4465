"""What differs between ASGI servers. The only place that knows any of them, with a fallback.

daphne passes an application's messages on to Twisted and returns at once, however slowly the client
reads; and it tells an application nothing about its own end. uvicorn does both by the book. Neither
lets an application hang up on a client. Of a server that isn't known here, streams expect what the
ASGI specification says, and no more.
"""

from typing import Any

from . import daphne, uvicorn
from .any_server import ClientConnection, Message, Scope, Send
from .reactor import at_shutdown, let_crowds_wait

__all__ = [
    "ClientConnection",
    "Message",
    "Send",
    "at_shutdown",
    "client_connection",
    "let_crowds_wait",
]


def client_connection(send: Any, scope: Scope) -> ClientConnection:
    """The way to the client of a request: to whom `send` leads, and where `scope` says they are.

    send: the server's own, or one that some ASGI middleware has put around it.

    Returns what the known server offers, or what holds for any server.
    """
    return (
        daphne.client_connection(send, scope)
        or uvicorn.client_connection(send, scope)
        or ClientConnection(send, scope)
    )
