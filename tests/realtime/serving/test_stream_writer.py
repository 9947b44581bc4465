"""The pump, on a real hub and a real database, with a client that the test holds in its hands."""

import asyncio

import pytest

from realtime import EVERYTHING
from realtime.hub.hub import Hub
from realtime.hub.open_streams import DRAINED
from realtime.log import wire
from realtime.log.cursor import START, Cursor
from realtime.serving.servers import ClientConnection
from realtime.serving.stream_writer import StreamWriter
from tests.realtime.conftest import following, publish, unmarked
from tests.waiting import soon, until


class Client(ClientConnection):
    """Takes what is written to it, as fast as the test lets it."""

    def __init__(self):
        self.left = asyncio.Event()
        self.chunks = []
        self.is_ended = False
        self.is_cut_off = False
        self.takes_more = None  # a future while it has to be waited for
        self.error = None
        self.is_ending = False

    @property
    def is_server_ending(self):
        return self.is_ending

    @property
    def text(self):
        return b"".join(self.chunks)

    def write(self, chunk):
        if self.error is not None:
            raise self.error
        self.chunks.append(unmarked(chunk))
        return self.takes_more

    async def end(self):
        self.is_ended = True
        self.left.set()

    def hang_up(self):
        self.is_cut_off = True
        self.left.set()
        return True

    async def receive(self):
        await self.left.wait()
        return {"type": "http.disconnect"}


@pytest.fixture
async def connect(hub):
    """Opens a stream, and gives the client at its end."""
    pumps = []

    async def connect(key="7", cursor=None):
        if cursor is None:
            cursor = (await hub.catch_up("default")).cursor
        client = Client()
        client.stream = hub.open_stream("default", following(key) if key else EVERYTHING, cursor)
        pump = StreamWriter(client.stream, client)
        client.pump = asyncio.create_task(pump.run(client.receive))
        pumps.append((client, client.pump))
        await until(lambda: client.chunks)
        return client

    yield connect
    for client, pump in pumps:
        client.left.set()
        await soon(pump)


@pytest.fixture
def forget(hub, connect):
    async def forget(*data):
        """Publish these events to 7, and forget them: they are in the table only."""
        await connect("7")
        await publish("7", *data)
        await until(lambda: hub.tail("default").position == len(data))
        hub.tail("default").restart(hub.tail("default").cursor)

    return forget


def event(position, data):
    return wire.event(Cursor(position, None), "orders", data)


def catching_up():
    return [task for task in asyncio.all_tasks() if task.get_name() == "realtime-catch-up"]


async def test_it_writes_what_comes_without_a_task(connect):
    alice, bob = await connect("7"), await connect("8")
    await publish("7", "cups")
    await until(lambda: len(alice.chunks) == 2)
    assert alice.chunks[1] == event(1, '"cups"')
    assert len(bob.chunks) == 1
    assert not catching_up()


async def test_a_burst_is_one_chunk(connect):
    alice, staff = await connect("7"), await connect(None)
    await publish("7", *range(300))
    await until(lambda: alice.text.endswith(event(300, "299")))
    await until(lambda: staff.text.endswith(event(300, "299")))
    assert (len(alice.chunks), len(staff.chunks)) == (2, 2)


async def test_a_client_that_has_to_be_waited_for_holds_up_nobody(connect):
    slow, quick = await connect("7"), await connect("7")
    slow.takes_more = asyncio.get_running_loop().create_future()
    for number in (1, 2, 3):
        await publish("7", number)
        await until(lambda number=number: quick.text.endswith(event(number, str(number))))
    assert slow.chunks[1:] == [event(1, "1")]
    going_on, slow.takes_more = slow.takes_more, None
    going_on.set_result(None)
    await until(lambda: len(slow.chunks) == 3)
    assert slow.chunks[2] == event(2, "2") + event(3, "3")
    await until(lambda: not catching_up())


async def test_what_was_missed_is_read_from_the_table_and_then_it_goes_on(connect, forget):
    await forget("one", "two")
    alice = await connect("7", cursor=START)
    await until(lambda: alice.text.endswith(event(1, '"one"') + event(2, '"two"')))
    await publish("7", "three")
    await until(lambda: alice.text.endswith(event(2, '"two"') + event(3, '"three"')))


async def test_a_client_that_can_not_be_written_to_is_cut_off_alone(connect, caplog):
    broken, alice = await connect("7"), await connect("7")
    broken.error = RuntimeError("The server has a bug.")
    await publish("7", "cups")
    await until(lambda: alice.text.endswith(event(1, '"cups"')))
    assert broken.is_cut_off
    assert "Could not write to a client" in caplog.text
    await soon(broken.pump)


async def test_who_can_not_be_hung_up_on_is_closed_and_nobody_else_is_touched(connect, monkeypatch):
    broken, alice = await connect("7"), await connect("7")
    broken.error = RuntimeError("The server has a bug.")

    def hang_up():
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(broken, "hang_up", hang_up)
    await publish("7", "cups")
    await until(lambda: alice.text.endswith(event(1, '"cups"')))
    assert broken.stream.is_over
    broken.left.set()


async def test_a_client_that_has_left_is_nothing_to_log(connect, caplog):
    gone, alice = await connect("7"), await connect("7")
    gone.error = BrokenPipeError()
    await publish("7", "cups")
    await until(lambda: alice.text.endswith(event(1, '"cups"')))
    assert not caplog.records


async def test_a_closed_stream_says_farewell_and_ends_the_response(hub, connect):
    alice = await connect("7")
    alice.stream.close(DRAINED, wire.retry(1234))
    await soon(alice.pump)
    assert alice.chunks[1:] == [wire.retry(1234)]
    assert alice.is_ended
    assert len(hub.streams) == 0


async def test_a_client_that_leaves_takes_its_task_along(hub, connect):
    alice = await connect("7")
    alice.takes_more = asyncio.get_running_loop().create_future()
    await publish("7", "cups")
    await until(catching_up)
    alice.left.set()
    await soon(alice.pump)
    assert not catching_up()
    assert len(hub.streams) == 0


async def test_nobody_gets_a_replay_after_their_access_has_ended(hub, connect, forget, monkeypatch):
    await forget("secret")
    asked, answer = asyncio.Event(), asyncio.Event()
    replay = hub.replays("default").read

    async def slow_replay(*args, **kwargs):
        asked.set()
        await answer.wait()
        return await replay(*args, **kwargs)

    monkeypatch.setattr(hub.replays("default"), "read", slow_replay)
    alice = await connect("7", cursor=START)
    await soon(asked.wait())
    alice.stream.close(DRAINED)
    answer.set()
    await soon(alice.pump)
    assert b"secret" not in alice.text


async def test_a_server_that_ends_by_itself_lets_its_streams_go_first(hub, connect, settings):
    settings.REALTIME = {**settings.REALTIME, "DRAIN_SECONDS": 0}
    alice, bob = await connect("7"), await connect("8")
    alice.is_ending = True
    await publish("7", 1)
    for client in (alice, bob):
        await soon(client.pump)
        assert client.is_ended
        assert client.chunks[-1].startswith(b"retry: ")
    assert hub.is_draining


async def test_letting_them_go_ends_with_the_hub(hub, connect, settings):
    """It takes a minute, and a server that has ended has none."""
    settings.REALTIME = {**settings.REALTIME, "DRAIN_SECONDS": 120}
    alice, _bob = await connect("7"), await connect("8")
    alice.is_ending = True
    await publish("7", 1)
    await until(lambda: hub.is_draining)
    [drain] = [task for task in asyncio.all_tasks() if task.get_name() == "realtime-drain"]
    await Hub.close_current()
    assert drain.done()
