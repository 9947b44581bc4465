"""A server of which nothing is known: what the ASGI specification says, and no more."""

import os
import socket
import stat
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

BODY = "http.response.body"

Scope = dict[str, Any]
Message = Mapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


class ClientConnection:
    """The way to one client, through a server of which nothing is known.

    is_server_ending: whether the server is about to end without having been told to by a signal,
        as far as the last write has shown.
    """

    is_server_ending = False

    __slots__ = ("_client", "_send", "_server")

    def __init__(self, send: Send, scope: Scope) -> None:
        self._send = send
        self._client: Any = scope.get("client")
        self._server: Any = scope.get("server")

    def write(self, chunk: bytes) -> Awaitable[None] | None:
        """Send a chunk of the response's body.

        Returns what to await before the next, so that a client that doesn't read stops its own
        stream instead of growing the server's memory; None if the server takes more at once.
        """
        return self._send(body(chunk, more_body=True))

    def end(self) -> Awaitable[None]:
        """End the response; then the application is told that the client has left."""
        return self._send(body(b"", more_body=False))

    def hang_up(self) -> bool:
        """Cut the connection to a client that doesn't read; False if there is no way to.

        A response that just ended would wait in the server until the client has read all of it.
        The server holds the connection in this process, so it is shut down here, and the server
        notices. There is no way to one that has other addresses than the scope says, as behind a
        proxy that the server trusts: that one hangs up on its clients itself.
        """
        return _shut_down(self._client, self._server)


def body(chunk: bytes, *, more_body: bool) -> Message:
    """The ASGI message that sends a chunk of a response."""
    return {"type": BODY, "body": chunk, "more_body": more_body}


def _shut_down(client: Any, server: Any) -> bool:
    """Shut down the TCP connection of this process between two addresses, if there is one.

    It goes through all of the process's files, but happens only when somebody is hung up on.
    """
    if not client or not server:
        return False
    try:
        files = os.listdir("/dev/fd")
    except OSError:  # to list them takes one more, and there may be no more; or no such folder
        return False
    for name in files:
        try:
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            connection = socket.socket(fileno=int(name))
        except OSError:  # the folder's own, closed by now
            continue
        try:
            if (
                connection.family in (socket.AF_INET, socket.AF_INET6)
                and connection.getpeername()[:2] == tuple(client)[:2]
                and connection.getsockname()[:2] == tuple(server)[:2]
            ):
                connection.shutdown(socket.SHUT_RDWR)
                return True
        except OSError:  # it listens, or its client has left
            continue
        finally:
            connection.detach()  # it stays the server's
    return False
