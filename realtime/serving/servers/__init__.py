"""What differs between ASGI servers. The only place that knows any of them, with a fallback.

daphne passes an application's messages on to Twisted and returns at once, however slowly the client
reads; and it tells an application nothing about its own end. uvicorn does both by the book. Neither
lets an application hang up on a client. Of a server that isn't known here, streams expect what the
ASGI specification says, and no more.
"""

from functools import partial
from typing import Any

from .any_server import ClientConnection, Message, Scope, Send
from .daphne import (
    DaphneConnection,
    DaphneHttp2Connection,
    WrappedDaphneConnection,
    _daphnes_request,
    _is_http_2,
)
from .reactor import at_shutdown, let_crowds_wait
from .uvicorn import UvicornConnection, UvicornH11Connection, _is_uvicorns

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
    """
    # daphne's is `partial(server.handle_reply, request)`.
    request = send.args[0] if isinstance(send, partial) and send.args else None
    if getattr(request, "channel", None) is not None and hasattr(request, "registerProducer"):
        if _is_http_2(request):
            return DaphneHttp2Connection(send, scope, request)
        return DaphneConnection(send, scope, request)
    # uvicorn's is a method of its request.
    cycle = getattr(send, "__self__", None)
    if _is_uvicorns(cycle):
        is_h11s = type(getattr(cycle, "conn", None)).__module__.startswith("h11.")
        return (UvicornH11Connection if is_h11s else UvicornConnection)(send, scope)
    if (request := _daphnes_request(scope)) is not None:
        if _is_http_2(request):
            return DaphneHttp2Connection(send, scope, request)
        return WrappedDaphneConnection(send, scope, request)
    return ClientConnection(send, scope)
