"""The differences between ASGI servers. No other module knows a particular server.

daphne passes an application's messages on to Twisted and returns at once, however slowly the client
reads; and it doesn't tell an application that it shuts down. uvicorn follows the specification in
both. Neither lets an application close a client's connection. From any other server, streams expect
what the ASGI specification says, and no more.
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
    """The connection to the client of a request.

    send: the server's own `send`, or one that an ASGI middleware has wrapped around it.
    scope: the request's scope, which has the addresses of client and server.

    Returns a connection for the server if it is a known one, otherwise one for any server.
    """
    return (
        daphne.client_connection(send, scope)
        or uvicorn.client_connection(send, scope)
        or ClientConnection(send, scope)
    )
