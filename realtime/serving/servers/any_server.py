"""Any other server: only what the ASGI specification says is used."""

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
    """The connection to one client, through any ASGI server.

    is_server_ending: at the last write, the server was shutting down without a signal.
    """

    is_server_ending = False

    __slots__ = ("_client", "_send", "_server")

    def __init__(self, send: Send, scope: Scope) -> None:
        self._send = send
        self._client: Any = scope.get("client")
        self._server: Any = scope.get("server")

    def write(self, chunk: bytes) -> Awaitable[None] | None:
        """Send a chunk of the response's body.

        Returns an awaitable to await before the next chunk, so that a slow client delays its own
        stream instead of filling the server's memory; None if the server takes more at once.
        """
        return self._send(body(chunk, more_body=True))

    def end(self) -> Awaitable[None]:
        """End the response; then the application is told that the client has left."""
        return self._send(body(b"", more_body=False))

    def hang_up(self) -> bool:
        """Close the connection to a client that doesn't read; False if that isn't possible.

        If the response were only ended, it would stay in the server until the client has read it
        all. The socket belongs to this process, so it is shut down here, and the server notices.
        That isn't possible if the scope has other addresses than the socket, as behind a proxy that
        the server trusts: then the proxy has to close the connection to its client.
        """
        return _shut_down(self._client, self._server)


def body(chunk: bytes, *, more_body: bool) -> Message:
    """The ASGI message that sends a chunk of a response."""
    return {"type": BODY, "body": chunk, "more_body": more_body}


def _shut_down(client: Any, server: Any) -> bool:
    """Shut down the TCP connection of this process between two addresses, if there is one.

    It goes through all of the process's open files, but runs only to cut off a client.
    """
    if not client or not server:
        return False
    try:
        files = os.listdir("/dev/fd")
    except OSError:  # no such folder, or no file descriptor left to list it
        return False
    for name in files:
        try:
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            connection = socket.socket(fileno=int(name))
        except OSError:  # the folder's own descriptor, which is closed by now
            continue
        try:
            if (
                connection.family in (socket.AF_INET, socket.AF_INET6)
                and connection.getpeername()[:2] == tuple(client)[:2]
                and connection.getsockname()[:2] == tuple(server)[:2]
            ):
                connection.shutdown(socket.SHUT_RDWR)
                return True
        except OSError:  # a listening socket, or one whose client has left
            continue
        finally:
            connection.detach()  # it stays the server's
    return False
