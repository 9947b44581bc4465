"""What streams ask of the servers that are known, and of one that isn't."""

import asyncio
from functools import partial
from types import SimpleNamespace

import h11
import pytest
from twisted.internet import tcp
from twisted.web.http import HTTPChannel

from realtime.serving.servers import ClientConnection, any_server, client_connection
from realtime.serving.servers.daphne import DaphneConnection
from realtime.serving.servers.steps import begin
from realtime.serving.servers.uvicorn import UvicornConnection, UvicornH11Connection
from tests.waiting import soon, until


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

    def send(data):
        if not room:
            raise BlockingIOError
        self.at_once.append(data[:room])
        return len(data[:room])

    def write(data):
        self.buffered.append(data)
        self._tempDataLen += len(data)

    self.socket, self.write = SimpleNamespace(send=send), write
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


@pytest.mark.parametrize("room", [0, 5])
def test_what_does_not_fit_waits_in_twisted_and_nothing_overtakes_it(room):
    socket = transport(room=room)
    _, way = daphne(socket)
    way.write(b"first")
    way.write(b"second")
    assert b"".join(socket.at_once + socket.buffered) == b"5\r\nfirst\r\n6\r\nsecond\r\n"
    assert len(socket.at_once) == bool(room)


def test_an_error_is_left_to_twisted():
    def fail(data):
        raise ConnectionResetError

    socket = transport()
    socket.socket.send = fail
    _, way = daphne(socket)
    way.write(b"cups")
    assert socket.buffered == [b"4\r\ncups\r\n"]


def test_nothing_is_written_to_a_client_that_left():
    socket = transport()
    socket.connected = False
    _, way = daphne(socket)
    way.write(b"cups")
    assert (socket.at_once, socket.buffered) == ([], [])


def test_nothing_is_written_after_the_end_of_a_response():
    """daphne itself ends one after its --http-timeout; the next on that connection is another's."""
    socket = transport()
    request, way = daphne(socket)
    request.finished = True
    assert way.write(b"cups") is None
    assert (socket.at_once, socket.buffered, request.written) == ([], [], [])


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

    monkeypatch.setattr(any_server.os, "listdir", listdir)
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
    assert type(client_connection(cycle.send, {})) is UvicornConnection
    cycle.conn = h11.Connection(h11.SERVER)
    assert type(client_connection(cycle.send, {})) is UvicornH11Connection


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


class Transport(asyncio.Transport):
    """To no client: it keeps what is written to it."""

    def __init__(self):
        super().__init__()
        self.written = []

    def write(self, data):
        self.written.append(data)

    def is_closing(self):
        return False

    def close(self):
        pass


class PastH11(UvicornH11Connection):
    """With a place for what a test wants to know."""


class ByTheBook(UvicornConnection):
    """With a place for what a test wants to know."""


REQUEST = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"


@pytest.fixture
async def uvicorn_response():
    """A response that has begun on uvicorn's own protocol by h11: the way to its client."""
    from uvicorn.config import Config
    from uvicorn.protocols.http.h11_impl import H11Protocol
    from uvicorn.server import ServerState

    ends = []

    async def begin(request=REQUEST, headers=(), of=PastH11):
        begun, end = asyncio.get_running_loop().create_future(), asyncio.Event()

        async def application(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
            begun.set_result(of(send, scope))
            await end.wait()

        ends.append(end)
        config = Config(application, http="h11", lifespan="off", log_level="critical")
        config.load()
        protocol = H11Protocol(config, ServerState(), {})
        protocol.connection_made(Transport())
        protocol.data_received(request)
        way = await soon(begun)
        way.protocol, way.transport, way.cycle = protocol, protocol.transport, protocol.cycle
        return way

    yield begin
    for end in ends:
        end.set()
    await until(lambda: not [task for task in asyncio.all_tasks() if "run_asgi" in repr(task)])


async def test_what_passes_h11_by_is_what_h11_would_have_written(uvicorn_response):
    written = []
    for kind in (PastH11, ByTheBook):
        way = await uvicorn_response(of=kind)
        for chunk in (b"opening", b"cups", b"x" * 5_000, b"saucers"):
            assert way.write(chunk) is None
        await way.end()
        written.append(b"".join(way.transport.written))
    assert written[0] == written[1]
    assert b"transfer-encoding: chunked" in written[0].lower()


async def test_from_the_second_chunk_on_it_writes_to_uvicorns_transport(uvicorn_response):
    way = await uvicorn_response()
    assert way.write(b"opening") is None
    way.cycle.conn.send = None  # nobody asks h11
    assert way.write(b"cups") is None
    assert way.transport.written[-1] == b"4\r\ncups\r\n"


DOUBTS = {
    "a client that knows no chunks": {"request": REQUEST.replace(b"/1.1", b"/1.0")},
    "a length that is known": {"headers": [(b"content-length", b"11")]},
}


@pytest.mark.parametrize("difference", DOUBTS.values(), ids=DOUBTS)
async def test_what_h11_does_not_frame_is_h11s(uvicorn_response, difference):
    way = await uvicorn_response(**difference)
    assert way.write(b"opening") is None
    assert way.write(b"cups") is None
    assert b"".join(way.transport.written).endswith(b"\r\n\r\nopeningcups")


async def test_after_the_end_of_a_response_nothing_passes_h11_by(uvicorn_response):
    way = await uvicorn_response()
    way.write(b"opening")
    way.write(b"cups")
    await way.end()
    before = list(way.transport.written)
    with pytest.raises(RuntimeError, match="after response already completed"):
        way.write(b"saucers")
    assert way.transport.written == before


async def test_nothing_is_written_to_a_client_that_left_uvicorn(uvicorn_response):
    way = await uvicorn_response()
    way.write(b"opening")
    before = list(way.transport.written)
    way.protocol.connection_lost(None)
    assert way.write(b"cups") is None
    assert way.transport.written == before


async def test_uvicorn_says_past_h11_that_it_ends(uvicorn_response):
    way = await uvicorn_response()
    way.write(b"opening")
    way.write(b"cups")
    assert not way.is_server_ending
    way.cycle.keep_alive = False
    way.write(b"saucers")
    assert way.is_server_ending


async def test_uvicorn_says_when_to_wait_and_when_to_go_on(uvicorn_response):
    way = await uvicorn_response()
    way.write(b"opening")
    write = way.transport.write

    def write_and_fill(data):
        write(data)
        way.protocol.pause_writing()

    way.transport.write = write_and_fill
    waits_for = way.write(b"cups")
    assert waits_for is not None
    way.transport.write = write
    going_on = asyncio.ensure_future(waits_for)
    await asyncio.sleep(0)
    assert not going_on.done()
    way.protocol.resume_writing()
    await soon(going_on)
    assert way.write(b"saucers") is None
    assert way.transport.written[-2:] == [b"4\r\ncups\r\n", b"7\r\nsaucers\r\n"]


async def test_a_coroutine_that_waits_for_nothing_is_done_at_once():
    done = []

    async def send():
        done.append(True)

    assert begin(send()) is None
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

    rest = begin(send())
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

    going_on = asyncio.create_task(_awaited(begin(send())))
    await asyncio.sleep(0)
    going_on.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going_on
    assert ended == [True]


async def _awaited(awaitable):
    return await awaitable
