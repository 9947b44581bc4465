"""What differs between ASGI servers. The only place that knows any of them, with a fallback.

daphne passes an application's messages on to Twisted and returns at once, however slowly the client
reads; and it tells an application nothing about its own end. uvicorn does both by the book. Neither
lets an application hang up on a client. Of a server that isn't known here, streams expect what the
ASGI specification says, and no more.
"""

import asyncio
import os
import socket
import stat
import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from functools import cache, partial
from types import coroutine
from typing import Any

from ..log.wire import CHUNK_BYTES

# How many clients may wait to be accepted; the kernel has a limit of its own (somaxconn).
BACKLOG = 4096

BODY = "http.response.body"
# How long it takes at most to notice that a slow client over HTTP/2 has room again.
LONGEST_PAUSE_SECONDS = 0.1

# Which is never the same as what h11 has.
NOTHING_YET = object()

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
        return self._send(_body(chunk, more_body=True))

    def end(self) -> Awaitable[None]:
        """End the response; then the application is told that the client has left."""
        return self._send(_body(b"", more_body=False))

    def hang_up(self) -> bool:
        """Cut the connection to a client that doesn't read; False if there is no way to.

        A response that just ended would wait in the server until the client has read all of it.
        The server holds the connection in this process, so it is shut down here, and the server
        notices. There is no way to one that has other addresses than the scope says, as behind a
        proxy that the server trusts: that one hangs up on its clients itself.
        """
        return _shut_down(self._client, self._server)


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


def _is_uvicorns(cycle: Any) -> bool:
    is_uvicorns = type(cycle).__module__.startswith("uvicorn.")
    return is_uvicorns and hasattr(cycle, "transport") and hasattr(cycle, "keep_alive")


class UvicornConnection(ClientConnection):
    """uvicorn writes at once, and waits only where the client is behind."""

    __slots__ = ("_cycle", "_flow", "_keeps_alive", "is_server_ending")

    def __init__(self, send: Send, scope: Scope) -> None:
        super().__init__(send, scope)
        self._cycle: Any = send.__self__  # type: ignore[attr-defined]  # a method, see below
        self._flow: Any = getattr(self._cycle, "flow", None)
        self._keeps_alive: bool = self._cycle.keep_alive
        self.is_server_ending = False

    def write(self, chunk: bytes) -> Awaitable[None] | None:
        flow = self._flow
        sending: Any = self._send({"type": BODY, "body": chunk, "more_body": True})
        waits_for = _begin(sending)
        if self._keeps_alive and not self._cycle.keep_alive:
            # After `--limit-max-requests` it only says so to each connection.
            self.is_server_ending = True
        if waits_for is None and flow is not None and flow.write_paused:
            # Else the next chunk would be taken now, and wait in memory until there is room for it.
            room: Awaitable[None] = flow.drain()
            return room
        return waits_for

    def hang_up(self) -> bool:
        self._cycle.transport.abort()
        return True


class UvicornH11Connection(UvicornConnection):
    """The same where uvicorn writes by means of h11: without `httptools`, that is.

    h11 makes an object of each chunk, takes it through the states of both sides of the connection,
    and comes out where it was. So from the second chunk on they go to uvicorn's transport, whatever
    that is, as h11 would have framed them; but only while h11 would. Measured with 500 clients,
    from the hub to their sockets: 7.9 µs of CPU for each instead of 12.5.
    """

    __slots__ = ("_frames_chunks",)

    def __init__(self, send: Send, scope: Scope) -> None:
        super().__init__(send, scope)
        self._frames_chunks: Any = NOTHING_YET  # h11's own means to, once it has

    def write(self, chunk: bytes) -> Awaitable[None] | None:
        cycle, flow = self._cycle, self._flow
        if (
            # h11 takes another one when its state changes, as at the end, or when the client left.
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


class DaphneConnection(ClientConnection):
    """daphne never waits, so Twisted has to say when to: this is what it calls a push producer.

    https://docs.twisted.org/en/stable/core/howto/producers.html#push-producers
    """

    __slots__ = ("_flows", "_request", "_transport")

    def __init__(self, send: Send, scope: Scope, request: Any) -> None:
        super().__init__(send, scope)
        self._request = request
        self._transport: Any = _socket_of(request)
        self._flows: asyncio.Future[None] | None = None  # while Twisted's buffer is full
        request.registerProducer(self, True)

    def write(self, chunk: bytes) -> Awaitable[None] | None:
        """Write to the socket now, and leave to Twisted only what doesn't fit.

        Twisted always waits for the socket to be writable, which it nearly always is: two system
        calls and a turn of the event loop for each write of each client. Measured with 10 events a
        second to 1,000 clients: 0.72 s of CPU instead of 1.19 s, p50 74 ms instead of 438 ms on a
        core that had other work.
        """
        request, transport = self._request, self._transport
        if request.finished:
            # By daphne, after its --http-timeout. What comes now on this connection is of another
            # request: behind a proxy, of somebody else's.
            return None
        if transport is None or not request.startedWriting or not request.chunked:
            request.write(chunk)
        elif transport.connected and not transport.disconnecting:
            data = b"%x\r\n%b\r\n" % (len(chunk), chunk)
            written = 0
            if not transport.dataBuffer and not transport._tempDataLen:
                try:
                    written = transport.socket.send(data)
                except OSError:  # there is no room, or it is Twisted's to find, and to handle
                    written = 0
            if written != len(data):
                transport.write(data[written:])
        return self._flows

    def end(self) -> Awaitable[None]:
        if self._request.channel is not None:  # else the client left, and took it along
            self._request.unregisterProducer()
        return super().end()

    def hang_up(self) -> bool:
        if self._request.channel is not None:
            self._request.channel.transport.abortConnection()
        return True

    # What Twisted calls

    def pauseProducing(self) -> None:
        if self._flows is None:
            self._flows = asyncio.get_running_loop().create_future()

    def resumeProducing(self) -> None:
        flows, self._flows = self._flows, None
        if flows is not None and not flows.done():
            flows.set_result(None)

    stopProducing = resumeProducing  # the client is gone: nobody waits for it


class WrappedDaphneConnection(DaphneConnection):
    """daphne, with ASGI middleware that wants to see what is sent, such as Sentry's."""

    __slots__ = ()

    def write(self, chunk: bytes) -> Awaitable[None] | None:
        return self._send_and_wait(chunk)

    async def _send_and_wait(self, chunk: bytes) -> None:
        await self._send(_body(chunk, more_body=True))
        if self._flows is not None:
            await self._flows


class DaphneHttp2Connection(WrappedDaphneConnection):
    """daphne over HTTP/2, where a client's streams share a connection.

    There Twisted says when the client's window is full, which may be 2 GiB wide, and not when the
    socket is. So here more than a chunk waits until the connection has taken some.
    """

    __slots__ = ()

    async def _send_and_wait(self, chunk: bytes) -> None:
        await super()._send_and_wait(chunk)
        seconds = 0.001  # for it says nothing when it has
        while self._waiting_bytes() > CHUNK_BYTES:
            await asyncio.sleep(seconds)
            seconds = min(seconds * 2, LONGEST_PAUSE_SECONDS)

    def _waiting_bytes(self) -> int:
        channel = self._request.channel
        if channel is None:
            return 0
        waiting = channel._conn._outboundStreamQueues.get(channel.streamID, ())
        return sum(len(data) for data in waiting if isinstance(data, bytes))

    def hang_up(self) -> bool:
        from twisted.internet.error import ConnectionAborted
        from twisted.python.failure import Failure

        channel = self._request.channel
        if channel is None:
            return True
        if channel._conn._consumerBlocked is not None:
            # The client takes nothing at all. Then nothing of this connection gets through.
            channel._conn.transport.abortConnection()
        else:
            channel.abortConnection()  # resets this one stream
            lost = Failure(ConnectionAborted())  # type: ignore[no-untyped-call]  # Twisted's
            # Twisted tells its request only where the client has reset it.
            self._request.connectionLost(lost)
        return True


# What of a scope's headers, client and server is called so in daphne's request.
DAPHNES_NAMES = ("clean_headers", "client_addr", "server_addr")


def _daphnes_request(scope: Scope) -> Any:
    """daphne's request of this scope, if daphne runs this event loop; None if not.

    Middleware may have copied the scope, and have put another client there, as behind a proxy. The
    headers, and the server's address, are one list object in both all the same.
    """
    reactor = _running_reactor()
    if reactor is None:
        return None
    own = [scope[name] for name in ("headers", "client", "server") if scope.get(name) is not None]
    for server in _daphnes_servers(reactor):
        # From the newest on: those before are open streams.
        for request in reversed(server.connections):
            theirs = [getattr(request, name, None) for name in DAPHNES_NAMES]
            if any(one is other for one in own for other in theirs):
                return request if getattr(request, "channel", None) is not None else None
    return None


@cache
def _daphnes_servers(reactor: Any) -> list[Any]:
    """What daphne runs in this process. Asked in a request, so it listens already."""
    from twisted.internet.interfaces import IListeningPort

    servers = []
    for reader in reactor.getReaders():
        if IListeningPort.providedBy(reader):
            factory = getattr(reader, "factory", None)
            factory = getattr(factory, "wrappedFactory", factory)  # where it ends TLS
            if hasattr(server := getattr(factory, "server", None), "connections"):
                servers.append(server)
    return servers


def _is_http_2(request: Any) -> bool:
    """Whether Twisted's channel is one of many streams of a connection, as it is known here."""
    connection = getattr(request.channel, "_conn", None)
    known = ("_outboundStreamQueues", "_consumerBlocked", "transport")
    return hasattr(request.channel, "streamID") and all(hasattr(connection, one) for one in known)


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


def _socket_of(request: Any) -> Any:
    """Twisted's transport if it is a plain socket; None if anything could stand before the wire.

    Its exact type decides. A wrapper such as Twisted's for TLS passes every attribute through to
    the socket below it, so attributes prove nothing.
    """
    from twisted.internet import tcp, unix
    from twisted.web.http import HTTPChannel

    # Else HTTP/2, where many responses share a transport.
    if type(request.channel) is not HTTPChannel:
        return None
    transport: Any = request.channel.transport
    is_plain = type(transport) in (tcp.Server, unix.Server) and transport.TLS is False
    known = hasattr(transport, "socket") and hasattr(transport, "_tempDataLen")
    return transport if is_plain and known else None


def at_shutdown(close: Callable[[], Awaitable[None]]) -> None:
    """Await `close()` when the server that runs this event loop shuts down.

    For daphne, which has no lifespan protocol; the others say it by `lifespan.shutdown`.
    """
    reactor = _running_reactor()
    if reactor is None:
        return
    from twisted.internet.defer import Deferred

    reactor.addSystemEventTrigger(
        "before", "shutdown", lambda: Deferred.fromFuture(asyncio.ensure_future(close()))
    )


def _running_reactor() -> Any:
    """Twisted's reactor, if it runs this event loop."""
    reactor: Any = sys.modules.get("twisted.internet.reactor")
    if reactor is None or not reactor.running:
        return None
    is_ours = getattr(reactor, "_asyncioEventloop", None) is asyncio.get_running_loop()
    return reactor if is_ours else None


def let_crowds_wait() -> None:
    """Let a crowd of clients wait to be accepted, once the server listens.

    For daphne, which lets 50: whoever finds no place tries again after one second, then two, then
    four. Measured with a thousand at once on a core that had other work: all had their streams
    after 19 to 23 s instead of 29 s. uvicorn lets 2,048.
    """
    reactor = sys.modules.get("twisted.internet.reactor")
    if reactor is not None:
        reactor.callWhenRunning(_widen_backlogs, reactor)


def _widen_backlogs(reactor: Any) -> None:
    from twisted.internet.tcp import Port

    for reader in reactor.getReaders():
        if isinstance(reader, Port):
            # A second listen() changes the length of the queue, and nothing else.
            reader.socket.listen(BACKLOG)


def _body(chunk: bytes, *, more_body: bool) -> Message:
    return {"type": BODY, "body": chunk, "more_body": more_body}


def _begin(steps: Coroutine[Any, Any, None]) -> Awaitable[None] | None:
    """Run a coroutine up to where it waits: the rest of it; None if there is none.

    As Python 3.12's eager tasks do, but without a task where there is nothing to wait for. Only
    for a coroutine that doesn't ask which task it is part of. Measured as above, on uvicorn: p50
    59 ms instead of 526 ms, for otherwise each write of each client starts a task.
    """
    try:
        waits_for = steps.send(None)
    except StopIteration:
        return None
    return _rest(steps, waits_for)


@coroutine
def _rest(steps: Coroutine[Any, Any, None], waits_for: Any) -> Generator[Any, Any, None]:
    """What is left of a coroutine that has begun, and waits for a future already."""
    while True:
        try:
            answer = yield waits_for
        except BaseException as error:
            go_on = partial(steps.throw, error)
        else:
            go_on = partial(steps.send, answer)
        try:
            waits_for = go_on()
        except StopIteration:
            return
