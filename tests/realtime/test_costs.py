"""What an event and a stream cost, where that can be counted: so that nobody makes it dearer."""

import sys
from collections import Counter
from contextlib import AsyncExitStack

import pytest
from h11._writers import ChunkedWriter

from realtime import EVERYTHING
from realtime.hub.log_follower import LogFollower
from realtime.hub.recent_events import RecentEvents
from realtime.hub.stream import EventStream
from realtime.log import event_log
from realtime.log.cursor import Cursor
from realtime.log.topics import Selection
from realtime.serving.servers.uvicorn import UvicornH11Connection
from realtime.serving.stream_writer import StreamWriter
from tests.clients import bearer, open_stream
from tests.realtime.serving.test_stream_writer import connect  # noqa: F401  a fixture
from tests.waiting import SECONDS, until

from .conftest import publish
from .resources import Resources


@pytest.fixture
def asked(hub, monkeypatch):
    """What the hub asks the database."""
    seen = []
    for name in ("_query", "_query_all"):
        monkeypatch.setattr(event_log.EventLog, name, _noting(name, seen))
    return seen


def _noting(name, seen):
    query = getattr(event_log.EventLog, name)

    async def noted(self, connection, statement, parameters):
        seen.append(statement)
        return await query(self, connection, statement, parameters)

    return noted


@pytest.mark.parametrize("count", [1, 500])
async def test_an_event_costs_a_process_one_query_however_many_come_at_once(
    connect,  # noqa: F811
    asked,
    count,
):
    """To number it, to tell the others, and to read it for all clients together."""
    async with AsyncExitStack():
        clients = [await connect("7") for _ in range(20)]
    asked.clear()
    await publish("7", *range(count))
    ending = b"data: %d\n\n" % (count - 1)
    await until(lambda: all(client.text.endswith(ending) for client in clients))
    # All but the polls, and what a replay would ask.
    about_events = [one for one in asked if one != event_log.STREAMS_BEHIND]
    # Many begin a watch: it may have looked once or twice more already.
    assert about_events[:1] == [event_log.NUMBER_AND_READ]
    assert len(about_events) <= (1 if count == 1 else 3), about_events


async def test_other_processes_are_told_before_a_client_is_written_to(
    connect,  # noqa: F811
    elsewhere,
):
    """There may be a thousand clients, and theirs wait as long."""
    other = elsewhere()
    other.execute("LISTEN realtime_published")
    client = await connect("7")
    write, heard = client.write, []

    def look_and_write(chunk):
        # Meanwhile nothing else runs here: what is heard now was sent before the first byte.
        heard.extend(other.notifies(timeout=SECONDS, stop_after=1))
        return write(chunk)

    client.write = look_and_write
    await publish("7", "cups")
    await until(lambda: len(client.chunks) == 2)
    assert len(heard) == 1


SHOP = frozenset({"orders"})
FOLLOWED = {
    "the whole stream": lambda number: EVERYTHING,
    "types, and their own": lambda number: Selection(SHOP, (f"auth.user:{number}",)),
    "a topic": lambda number: ("public",),
    "a topic, and their own": lambda number: ("public", f"auth.user:{number}"),
}
# All that is called in `realtime` once more for each client that an event is told to.
FOR_EACH_CLIENT = {
    "EventStream.wake": 1,
    "StreamWriter.flow": 1,
    "StreamWriter._pour": 1,
    "EventStream.take": 1,
    "EventStream._read": 1,
    "RecentEvents.read": 1,
    "UvicornH11Connection.write": 1,
    "EventStream.is_up_to_date": 1,
}


class Flow:
    write_paused = False


class Transport:
    def __init__(self):
        self.written = []
        self.write = self.written.append


class H11:
    def __init__(self):
        self._writer = ChunkedWriter()


class Cycle:
    """What uvicorn has for a request, as far as it matters here."""

    keep_alive = True
    disconnected = False
    flow = Flow()

    def __init__(self):
        self.conn = H11()
        self.transport = Transport()
        self.sent = []

    async def send(self, message):
        self.sent.append(message["body"])


class Source:
    """A hub with one tail."""

    def __init__(self, tail):
        self.tail = lambda name: tail

    def add(self, stream):
        pass

    remove = add


async def calls_for(clients, topics):
    """How often which function of `realtime` is called to tell so many clients of one event."""
    tail = RecentEvents(Cursor(10, 1), keep_events=100, keep_bytes=10_000)
    cycles = []
    for number in range(clients):
        cycles.append(Cycle())
        stream = EventStream(Source(tail), "default", topics(number), Cursor(10, 1))
        await stream.__aenter__()
        stream.on_wake = StreamWriter(stream, UvicornH11Connection(cycles[-1].send, {})).flow
        stream.wake()
    # The first one finds out about the cursor as well, and lies before those that are alike.
    LogFollower._deliver("default", tail, batch(11))
    calls = Counter()

    def count(frame, event, argument):
        if event == "call" and frame.f_globals["__name__"].startswith("realtime."):
            calls[frame.f_code.co_qualname] += 1

    sys.setprofile(count)
    try:
        LogFollower._deliver("default", tail, batch(12))
    finally:
        sys.setprofile(None)
    for cycle in cycles:
        [_opening] = cycle.sent
        _first, second = cycle.transport.written
        assert second == b'28\r\nevent: orders\nid: 12-1\ndata: {"n": 12}\n\n\r\n'
    return calls


def batch(position):
    """One event, as it is read from the table."""
    own = (2, position - 1, 1, "public", "orders", None, "", 0.0, "")
    event = (2, position, 1, "public", "orders", f'{{"n": {position}}}', "", 0.001, "")
    return event_log._batch("default", [own, event], position - 1)


@pytest.mark.parametrize("topics", FOLLOWED.values(), ids=FOLLOWED)
async def test_an_event_is_encoded_chosen_and_counted_once_for_all_clients(topics):
    few, many = await calls_for(10, topics), await calls_for(30, topics)
    assert few["event"] == few["RecentEvents._join"] == 1  # wire.event()
    more = {name: (many[name] - few[name]) / 20 for name in many if many[name] != few[name]}
    assert more == FOR_EACH_CLIENT


def test_an_idle_stream_costs_less_than_forty_kilobytes(server, alice):
    """Measured at 5,000 it is less: here the process also grows to its working size."""
    resources, headers = Resources(server), bearer(alice)
    with open_stream(server, **headers):
        before = resources.memory
        streams = [open_stream(server, **headers) for _ in range(45)]
        for stream in streams:
            stream.__enter__()
        try:
            each = (resources.memory - before) / len(streams)
        finally:
            for stream in streams:
                stream.__exit__(None, None, None)
    assert each < 40 * 1024, each
