"""The cursor loop, on a real hub and a real database, without a server."""

import asyncio
from contextlib import aclosing

import httpx
import pytest
from httpx_sse import EventSource

from realtime import EVERYTHING, PUBLIC
from realtime.exceptions import DatabaseUnavailable
from realtime.hub.open_streams import DRAINED
from realtime.hub.recent_events import CHUNK_BYTES
from realtime.hub.replays import Replays
from realtime.log import retention, wire
from realtime.log.cursor import START, Cursor
from realtime.log.event_log import REPLAY_ROWS
from realtime.models import Event
from realtime.models import Stream as StreamRow
from tests.realtime.conftest import cursor_at, following, in_thread, publish, unmarked
from tests.waiting import soon


class Client:
    """Reads a stream, chunk by chunk, into what it has seen."""

    def __init__(self, stream):
        self.stream = stream
        self.chunks = stream.chunks()
        self.text = b""

    async def opening(self):
        self.text = unmarked(await soon(anext(self.chunks)))
        return self.text

    async def until(self, ending):
        """All text so far, once it ends so."""
        async with asyncio.timeout(10):
            while not self.text.endswith(ending):
                self.text += unmarked(await anext(self.chunks))
        return self.text


@pytest.fixture
async def connect(hub):
    clients = []

    async def connect(*keys, topics=None, cursor="now", **options):
        """A client that has its opening."""
        if cursor == "now":
            cursor = (await hub.catch_up("default")).cursor
        elif isinstance(cursor, int):
            cursor = await cursor_at(cursor)
        client = Client(
            hub.open_stream("default", topics or following(*(keys or ["7"])), cursor, **options)
        )
        clients.append(client)
        await client.opening()
        return client

    yield connect
    for client in clients:
        await client.chunks.aclose()


def event(position, data, type="orders"):
    return wire.event(bare(position), type, data)


def bare(position):
    return Cursor(position, None)


async def numbered(hub, *data, to="7", **how):
    """Publish events and wait until they have their positions."""
    before = (await hub.catch_up("default")).position
    await publish(to, *data, **how)
    async with asyncio.timeout(10):
        while (tail := await hub.catch_up("default")).position < before + len(data):
            pass
    return tail


async def test_the_opening_says_where_the_client_stands(connect):
    client = await connect()
    assert client.text.endswith(wire.heartbeat(START))
    assert client.text.startswith(b"retry: ")


async def test_it_tails_what_is_published(connect):
    client = await connect()
    await publish("7", 1)
    assert (await client.until(event(1, "1"))).count(b"event: orders") == 1
    await publish("7", 2)
    await client.until(event(2, "2"))


async def test_it_replays_missed_events_in_order_and_goes_on_live(connect, hub):
    await numbered(hub, 1, 2, 3)
    client = await connect(cursor=1)
    await publish("7", 4)
    text = await client.until(event(4, "4"))
    assert text.endswith(event(2, "2") + event(3, "3") + event(4, "4"))
    assert event(1, "1") not in text


async def test_what_was_read_of_a_topic_that_was_taken_away_meanwhile_is_not_told(
    connect, hub, monkeypatch
):
    await numbered(hub, "secret", to="8")
    tail = await numbered(hub, "own")
    tail.restart(tail.cursor)  # nothing is left in memory
    client = await connect("7", "8", cursor=0)
    read = Replays.read

    async def read_slowly(self, stream, topics, **how):
        replay = await read(self, stream, topics, **how)
        client.stream.change_topics(following("7"))
        return replay

    monkeypatch.setattr(Replays, "read", read_slowly)
    assert b"secret" not in await client.until(event(2, '"own"'))


async def test_a_long_replay_from_the_table_has_no_gap_and_no_repeat(connect, hub):
    """More than memory holds, more than one batch, while new events keep coming."""
    total = 2 * REPLAY_ROWS + 50
    tail = await numbered(hub, *range(total))
    tail.restart(tail.cursor)  # nothing is left in memory
    client = await connect(cursor=0)
    reading = asyncio.create_task(client.until(event(total + 3, "2")))
    await publish("7", 0, 1, 2)
    text = await soon(reading)
    expected = [event(n + 1, str(n)) for n in range(total)]
    expected += [event(total + n + 1, str(n)) for n in range(3)]
    assert text.split(b"\n\n", 1)[1] == b"".join(expected)


PLANES = "".join(chr(plane << 16 | 0x1F514 & 0xFFFF) for plane in range(17))


@pytest.mark.parametrize(
    "text",
    [
        "\r\nid: 9\n\nevent: x\r",
        "\0\x1b\x85\u2028\u2029\ufeff",
        PLANES,
        "\N{BELL}é\r\n\0" * 60_000,
    ],
    ids=["line breaks", "controls", "every plane", "a megabyte"],
)
async def test_what_was_published_arrives_as_it_was(connect, hub, text):
    """Through the table and through memory: a client that nobody here wrote reads the same."""
    client = await connect()
    await publish("7", text)
    end = b'"\n\n'
    live = await client.until(end)
    hub.tail("default").restart(hub.tail("default").cursor)
    again = await connect(cursor=0)
    for received in (live, await again.until(end)):
        response = httpx.Response(
            200, headers={"Content-Type": "text/event-stream"}, content=received
        )
        [only] = [sse for sse in EventSource(response).iter_sse() if sse.data]
        assert (only.event, only.id, only.json()) == ("orders", "1", text)


async def test_large_events_are_replayed_in_bounded_pieces(connect, hub):
    """What a stalled client holds in memory is a chunk, not its whole backlog."""
    large = "x" * (CHUNK_BYTES // 3)
    tail = await numbered(hub, *[large] * 10)
    tail.restart(tail.cursor)
    client = await connect(cursor=0)
    chunks = []
    async with asyncio.timeout(10):
        while sum(chunk.count(b"event:") for chunk in chunks) < 10:
            chunks.append(unmarked(await anext(client.chunks)))
    assert b"".join(chunks) == b"".join(event(n + 1, f'"{large}"') for n in range(10))
    assert max(map(len, chunks)) < CHUNK_BYTES * 1.5


async def test_the_tail_is_read_in_bounded_pieces(connect, hub, monkeypatch):
    monkeypatch.setattr("realtime.log.event_log.READ_BYTES", 100)
    client = await connect()
    await publish("7", *["x" * 60] * 7)
    text = await client.until(event(7, f'"{"x" * 60}"'))
    assert text.count(b"event: orders") == 7


async def test_nobody_gets_what_is_somebody_elses(connect, hub):
    await numbered(hub, 1, to="8")
    tail = await numbered(hub, 2, to="7")
    for _ in ("from memory", "from the table"):
        client = await connect(cursor=0)
        assert (await client.until(event(2, "2"))).count(b"event: orders") == 1
        tail.restart(tail.cursor)


async def test_who_reads_the_whole_stream_gets_everybodys(connect, hub):
    await numbered(hub, 1, to="8")
    await numbered(hub, 2, to=PUBLIC)
    client = await connect(topics=EVERYTHING, cursor=0)
    await client.until(event(1, "1") + event(2, "2"))


async def test_all_that_waits_is_one_chunk(connect):
    client = await connect()
    await publish("7", *range(100))
    assert (await soon(anext(client.chunks))).count(b"event:") == 100


async def test_a_cursor_that_is_none_is_reset_at_once(connect, hub):
    tail = await numbered(hub, 1)
    client = await connect(cursor=None)
    assert client.text.endswith(wire.reset("invalid", bare(tail.position)))


async def test_a_cursor_ahead_of_the_log_is_reset(connect, hub):
    await numbered(hub, 1)
    client = await connect(cursor=99)
    await client.until(wire.reset("history", bare(1)))
    await publish("7", 2)
    await client.until(event(2, "2"))


async def test_events_that_are_gone_are_told_of_before_the_next_one_comes(connect, hub, elsewhere):
    """As after the restore of one table. The row of the stream still says how far it had come."""
    tail = await numbered(hub, 1, 2, 3)
    seen = await cursor_at(1)
    elsewhere().execute("DELETE FROM realtime_event WHERE position > 1")
    tail.restart(tail.cursor)
    client = await connect(cursor=seen)
    await client.until(wire.reset("history", bare(3)))
    await publish("7", 4)
    await client.until(event(4, "4"))


async def test_a_cursor_that_fell_off_the_log_is_reset(connect, hub):
    tail = await numbered(hub, 1, 2, 3)
    tail.restart(tail.cursor)

    seen = await cursor_at(1)
    await in_thread(lambda: list(retention.prune("default", 2)))
    client = await connect(cursor=seen)
    await client.until(wire.reset("pruned", bare(3)))
    kept = await connect(cursor=2)
    await kept.until(event(3, "3"))


async def test_when_the_log_goes_back_open_streams_are_told(connect, hub):
    await numbered(hub, 1, 2, 3)
    client = await connect()

    def restore():
        Event.objects.filter(position__gt=1).delete()
        [mark] = Event.objects.values_list("mark", flat=True)
        StreamRow.objects.update(position=1, mark=mark)

    await in_thread(restore)
    hub.poll()
    await client.until(wire.reset("history", bare(1)))


async def test_a_quiet_stream_beats_and_takes_its_cursor_along(connect, hub, settings):
    client = await connect()
    client.stream.beat()
    await client.until(wire.heartbeat(START))
    await numbered(hub, 1, 2, to="8")
    client.stream.beat()
    await client.until(wire.heartbeat(bare(2)))


@pytest.mark.parametrize("source", ["memory", "table"])
async def test_who_does_not_follow_is_told_what_there_is_and_where_it_ends(connect, hub, source):
    await numbered(hub, 1, 2)
    tail = await numbered(hub, 3, to="8")
    if source == "table":
        tail.restart(tail.cursor)
    client = await connect(cursor=0, follow=False)
    async with asyncio.timeout(10):
        rest = b"".join([unmarked(chunk) async for chunk in client.chunks])
    assert rest == event(1, "1") + event(2, "2") + wire.heartbeat(bare(3))
    assert not tail.is_followed


async def test_who_does_not_follow_gets_all_of_a_long_replay(connect, hub):
    total = REPLAY_ROWS + 10
    tail = await numbered(hub, *range(total))
    tail.restart(tail.cursor)
    client = await connect(cursor=0, follow=False)
    await client.until(wire.heartbeat(bare(total)))
    assert client.text.count(b"event: orders") == total


async def test_who_does_not_follow_is_reset_too(connect, hub):
    await numbered(hub, 1)
    for cursor, reason in ((None, "invalid"), (99, "history")):
        client = await connect(cursor=cursor, follow=False)
        await client.until(wire.reset(reason, bare(1)) + wire.heartbeat(bare(1)))


async def test_who_does_not_follow_keeps_its_cursor_while_the_database_is_away(
    connect, hub, monkeypatch
):
    tail = await numbered(hub, 1)
    tail.restart(tail.cursor)

    async def replay(*args, **options):
        raise DatabaseUnavailable

    monkeypatch.setattr(hub.replays("default"), "read", replay)
    client = await connect(cursor=0, follow=False)
    await client.until(wire.heartbeat(START) * 2)


async def test_a_closed_stream_ends(connect, hub):
    client = await connect()
    tail = hub.tail("default")
    ending = asyncio.create_task(anext(client.chunks, "the end"))
    client.stream.close(DRAINED)
    assert await soon(ending) == "the end"
    assert not tail.is_followed


async def test_a_stream_that_is_given_up_is_forgotten_at_once(connect, hub):
    client = await connect()
    tail = hub.tail("default")
    assert tail.is_followed
    async with aclosing(client.chunks):
        pass
    assert not tail.is_followed
