"""uvicorn, with h11 or httptools."""

from collections.abc import Awaitable
from typing import Any

from .any_server import ClientConnection, Scope, Send, body
from .steps import begin

# Never identical to h11's own value.
NOTHING_YET = object()


def client_connection(send: Any, scope: Scope) -> ClientConnection | None:
    """The connection to a client of uvicorn; None for others.

    uvicorn's own `send` is a method of its request.
    """
    cycle = getattr(send, "__self__", None)
    if not _is_uvicorns(cycle):
        return None
    is_h11s = type(getattr(cycle, "conn", None)).__module__.startswith("h11.")
    return (UvicornH11Connection if is_h11s else UvicornConnection)(send, scope)


def _is_uvicorns(cycle: Any) -> bool:
    is_uvicorns = type(cycle).__module__.startswith("uvicorn.")
    return is_uvicorns and hasattr(cycle, "transport") and hasattr(cycle, "keep_alive")


class UvicornConnection(ClientConnection):
    """uvicorn writes at once, and waits only if the client is slow."""

    __slots__ = ("_cycle", "_flow", "_keeps_alive", "is_server_ending")

    def __init__(self, send: Send, scope: Scope) -> None:
        super().__init__(send, scope)
        self._cycle: Any = send.__self__  # type: ignore[attr-defined]  # a method, see below
        self._flow: Any = getattr(self._cycle, "flow", None)
        self._keeps_alive: bool = self._cycle.keep_alive
        self.is_server_ending = False

    def write(self, chunk: bytes) -> Awaitable[None] | None:
        flow = self._flow
        sending: Any = self._send(body(chunk, more_body=True))
        waits_for = begin(sending)
        if self._keeps_alive and not self._cycle.keep_alive:
            # After `--limit-max-requests`, uvicorn only tells each connection that it shuts down.
            self.is_server_ending = True
        if waits_for is None and flow is not None and flow.write_paused:
            # Otherwise uvicorn would take the next chunk now and keep it in memory.
            room: Awaitable[None] = flow.drain()
            return room
        return waits_for

    def hang_up(self) -> bool:
        self._cycle.transport.abort()
        return True


class UvicornH11Connection(UvicornConnection):
    """uvicorn without `httptools`, which then writes through h11.

    For each chunk h11 makes an object and runs its state machines, which end in the same state. So
    from the second chunk on, chunks are framed as h11 would frame them and written to uvicorn's
    transport, for as long as h11 would do the same. Measured with 500 clients, from the hub to
    their sockets: 7.9 µs of CPU for each instead of 12.5.
    """

    __slots__ = ("_frames_chunks",)

    def __init__(self, send: Send, scope: Scope) -> None:
        super().__init__(send, scope)
        self._frames_chunks: Any = NOTHING_YET  # h11's writer of the body, once it has one

    def write(self, chunk: bytes) -> Awaitable[None] | None:
        cycle, flow = self._cycle, self._flow
        if (
            # h11 switches to another writer when its state changes: at the end of the response, or
            # when the client has left.
            getattr(cycle.conn, "_writer", None) is self._frames_chunks
            and not flow.write_paused
            and cycle.keep_alive is self._keeps_alive
        ):
            cycle.transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            return flow.drain() if flow.write_paused else None
        waits_for = super().write(chunk)
        writer = getattr(cycle.conn, "_writer", None)
        if type(writer).__qualname__ == "ChunkedWriter" and flow is not None:
            self._frames_chunks = writer
        return waits_for
