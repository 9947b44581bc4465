"""What streams ask of the servers that are known, and of one that isn't."""

import asyncio
import shutil
import subprocess
from functools import partial

import httpx
import pytest
from twisted.internet import tcp
from twisted.web.http import HTTPChannel

from realtime.serving import servers
from realtime.serving.servers import (
    ClientConnection,
    DaphneConnection,
    UvicornConnection,
    _begin,
    client_connection,
)
from tests.servers import running_server


def transport(room=1_000, of=tcp.Server):
    """Twisted's, not connected to anything: it takes `room` bytes at once."""
    self = object.__new__(of)
    self.TLS = False
    self.connected = True
    self.disconnecting = False
    self.dataBuffer = b""
    self._tempDataLen = 0
    self.at_once = []
    self.buffered = []

    def write_some_data(data):
        self.at_once.append(data[:room])
        return len(data[:room])

    def write(data):
        self.buffered.append(data)
        self._tempDataLen += len(data)

    self.writeSomeData, self.write = write_some_data, write
    return self


class Request:
    """As much of daphne's as is asked."""

    def __init__(self, transport):
        self.channel = object.__new__(HTTPChannel)
        self.channel.transport = transport
        self.finished = False
        self.startedWriting = True
        self.chunked = True
        self.written = []

    def registerProducer(self, producer, streaming):
        self.producer = producer

    def unregisterProducer(self):
        self.producer = None

    def write(self, data):
        self.written.append(data)


async def handle_reply(request, message):
    """daphne's, which its `send` is a partial of."""


def daphne(transport):
    request = Request(transport)
    return request, client_connection(partial(handle_reply, request), {})


def test_it_writes_to_daphnes_socket_at_once():
    socket = transport()
    _, way = daphne(socket)
    assert isinstance(way, DaphneConnection)
    assert way.write(b"x" * 20) is None
    assert (socket.at_once, socket.buffered) == ([b"14\r\n" + b"x" * 20 + b"\r\n"], [])


def test_what_does_not_fit_waits_in_twisted_and_nothing_overtakes_it():
    socket = transport(room=5)
    _, way = daphne(socket)
    way.write(b"first")
    way.write(b"second")
    assert b"".join(socket.at_once + socket.buffered) == b"5\r\nfirst\r\n6\r\nsecond\r\n"
    assert len(socket.at_once) == 1


def test_an_error_is_left_to_twisted():
    socket = transport()
    socket.writeSomeData = lambda data: ConnectionError("lost")
    _, way = daphne(socket)
    way.write(b"cups")
    assert socket.buffered == [b"4\r\ncups\r\n"]


def test_nothing_is_written_to_a_client_that_left():
    socket = transport()
    socket.connected = False
    _, way = daphne(socket)
    way.write(b"cups")
    assert (socket.at_once, socket.buffered) == ([], [])


def test_a_transport_that_is_not_known_is_written_to_by_twisted():
    class Wrapped(tcp.Server):
        """Has all that a plain socket has, as one with TLS around it."""

    request, way = daphne(transport(of=Wrapped))
    way.write(b"cups")
    assert request.written == [b"cups"]


def test_a_socket_that_has_begun_to_speak_tls_is_written_to_by_twisted():
    socket = transport()
    socket.TLS = True
    request, way = daphne(socket)
    way.write(b"cups")
    assert request.written == [b"cups"]


def test_a_channel_that_is_not_known_is_written_to_by_twisted():
    request = Request(transport())
    request.channel.__class__ = type("H2Stream", (HTTPChannel,), {})
    way = client_connection(partial(handle_reply, request), {})
    way.write(b"cups")
    assert request.written == [b"cups"]


@pytest.mark.parametrize("difference", [{"startedWriting": False}, {"chunked": False}])
def test_what_is_not_plain_chunks_is_twisteds(difference):
    request, way = daphne(transport())
    vars(request).update(difference)
    way.write(b"cups")
    assert request.written == [b"cups"]


async def test_daphne_says_when_to_wait_and_when_to_go_on():
    request, way = daphne(transport())
    request.producer.pauseProducing()
    waits_for = way.write(b"cups")
    assert waits_for is not None
    assert not waits_for.done()
    request.producer.resumeProducing()
    await waits_for
    assert way.write(b"saucers") is None


async def test_without_a_free_file_there_is_no_way_to_hang_up(monkeypatch):
    def listdir(path):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(servers.os, "listdir", listdir)
    scope = {"client": ("127.0.0.1", 5), "server": ("127.0.0.1", 80)}
    assert not client_connection(None, scope).hang_up()


async def test_of_an_unknown_server_it_awaits_every_message():
    sent = []

    async def send(message):
        sent.append(message)

    way = client_connection(send, {})
    assert type(way) is ClientConnection
    await way.write(b"cups")
    await way.end()
    assert not way.hang_up()
    assert sent == [
        {"type": "http.response.body", "body": b"cups", "more_body": True},
        {"type": "http.response.body", "body": b"", "more_body": False},
    ]


def test_uvicorn_is_known_by_its_own_method():
    from uvicorn.protocols.http.h11_impl import RequestResponseCycle

    cycle = object.__new__(RequestResponseCycle)
    cycle.transport, cycle.keep_alive = object(), True
    assert isinstance(client_connection(cycle.send, {}), UvicornConnection)


def test_uvicorn_says_by_its_keep_alive_that_it_ends():
    from uvicorn.protocols.http.flow_control import FlowControl
    from uvicorn.protocols.http.h11_impl import RequestResponseCycle

    for kept in (True, False):  # a client may have asked for no more than one response
        cycle = object.__new__(RequestResponseCycle)
        cycle.transport, cycle.keep_alive = object(), kept
        cycle.flow, cycle.disconnected = FlowControl(object()), True
        way = client_connection(cycle.send, {})
        assert way.write(b"one") is None
        assert not way.is_server_ending
        cycle.keep_alive = False
        assert way.write(b"two") is None
        assert way.is_server_ending is kept


async def test_a_coroutine_that_waits_for_nothing_is_done_at_once():
    done = []

    async def send():
        done.append(True)

    assert _begin(send()) is None
    assert done == [True]


@pytest.mark.parametrize("outcome", ["result", "error"])
async def test_a_coroutine_that_has_begun_can_be_awaited_to_its_end(outcome):
    first, second = (asyncio.get_running_loop().create_future() for _ in range(2))
    steps = []

    async def send():
        for future in (first, second):
            try:
                steps.append(await future)
            except OSError as error:
                steps.append(str(error))

    rest = _begin(send())
    assert rest is not None
    going_on = asyncio.create_task(_awaited(rest))
    if outcome == "error":
        first.set_exception(OSError("lost"))
    else:
        first.set_result("drained")
    second.set_result("again")
    await going_on
    assert steps == ["lost" if outcome == "error" else "drained", "again"]


async def test_a_coroutine_that_has_begun_can_be_cancelled():
    ended = []

    async def send():
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append(True)

    going_on = asyncio.create_task(_awaited(_begin(send())))
    await asyncio.sleep(0)
    going_on.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going_on
    assert ended == [True]


async def _awaited(awaitable):
    return await awaitable


@pytest.mark.skipif(not shutil.which("ss"), reason="no ss (Debian: iproute2)")
@pytest.mark.parametrize("kind", ["daphne", "runserver", "uvicorn"])
def test_a_crowd_may_wait_to_be_accepted(processes, transactional_db, kind):
    """A thousand clients that come back at once find a place, and need not try again."""
    with running_server(kind) as server:
        httpx.get(f"{server.url}/healthz").raise_for_status()
        assert backlog(server.port) >= 1_000


def backlog(port):
    """How many may wait at a listening socket, as the kernel has it."""
    listening = subprocess.run(
        ["ss", "--listening", "--tcp", "--numeric", f"sport = :{port}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return int(listening.splitlines()[1].split()[2])
