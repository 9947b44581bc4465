"""Streams are fair to one another and fail apart, and nobody's hints are a burden."""

import asyncio
import time
from contextlib import aclosing, asynccontextmanager

import pytest

from realtime.hub import pending_streams
from realtime.hub.hub import Hub
from realtime.hub.pending_streams import PendingStreams
from realtime.log.notifications import PENDING_CHANNEL, PUBLISHED_CHANNEL
from tests.realtime.conftest import following, publish
from tests.waiting import soon, until

pytestmark = pytest.mark.usefixtures("hub")

INSERT = "INSERT INTO realtime_outbox (stream, topic, type, data) "

FILL = """
    INSERT INTO realtime_outbox (stream, topic, type, data)
    SELECT 'stream ' || number, 'public', 'x', '1' FROM generate_series(1, 3000) AS number
"""


@asynccontextmanager
async def follow(hub, stream="default"):
    """The chunks of a stream that has begun."""
    cursor = (await hub.catch_up(stream)).cursor
    async with aclosing(hub.open_stream(stream, following("7"), cursor).chunks()) as chunks:
        await soon(anext(chunks))
        yield chunks


async def told(chunks, data):
    """Wait for what holds this; there may be heartbeats before it."""
    async with asyncio.timeout(10):
        async for chunk in chunks:
            if data in chunk:
                return


async def test_thousands_of_streams_that_wait_do_not_hold_up_the_one_that_is_followed(
    hub, elsewhere
):
    session = elsewhere()
    async with follow(hub) as chunks:
        session.execute(FILL)
        hub.poll()
        waiting = "SELECT count(*) FROM realtime_outbox"
        await until(lambda: session.execute(waiting).fetchone()[0] < 3000)
        began = time.monotonic()
        await publish("7", 1)
        await told(chunks, b"data: 1")
        assert time.monotonic() - began < 2
        assert session.execute(waiting).fetchone()[0] > 500, "there was nothing to be held up by"
        left = session.execute(waiting).fetchone()[0]
        await until(lambda: session.execute(waiting).fetchone()[0] < left)


async def test_a_stream_that_contradicts_its_events_stops_alone(
    hub, elsewhere, caplog, monkeypatch
):
    """A row that is missing or too old mends itself; at the end of bigint nothing is left."""
    monkeypatch.setattr("realtime.hub.log_follower.BROKEN_SECONDS", 0.2)
    session = elsewhere()
    write = INSERT + "VALUES ('imports', 'test:7', 'x', '1')"
    async with follow(hub) as chunks:
        session.execute(write)
        hub.poll()
        waiting = "SELECT count(*) FROM realtime_outbox"
        await until(lambda: session.execute(waiting).fetchone() == (0,))
        session.execute(
            "UPDATE realtime_stream SET position = 9223372036854775807 WHERE name = 'imports'"
        )
        session.execute(write)
        hub.poll()
        await until(lambda: "The stream 'imports' stands still" in caplog.text)
        for number in range(2):
            await publish("7", number)
            await told(chunks, b"data: %d" % number)
        session.execute("UPDATE realtime_stream SET position = 1 WHERE name = 'imports'")

        def is_numbered():
            hub.poll()
            return session.execute(waiting).fetchone() == (0,)

        await until(is_numbered)


async def test_junk_on_our_channels_is_at_worst_a_look_too_many(hub, elsewhere, caplog):
    session = elsewhere()
    listening = hub.home.state.listening_since
    async with follow(hub) as chunks:
        await until(lambda: hub.home.state.listening_since is not None)
        listening = hub.home.state.listening_since
        junk = ["junk", "", "1", "1-a", "99999-ff orders", "0 orders", "-1 orders", "1-zz orders"]
        junk += [f"{2**70}-1 orders", "3-1", "x" * 7000]
        for payload in junk:
            session.execute("SELECT pg_notify(%s, %s)", [PUBLISHED_CHANNEL, payload])
            session.execute("SELECT pg_notify(%s, %s)", [PENDING_CHANNEL, payload])
        await publish("7", 1)
        await told(chunks, b"data: 1")
    assert hub.home.state.listening_since == listening
    assert "Traceback" not in caplog.text


async def test_in_a_flood_of_names_events_are_told_soon_and_memory_is_bounded(hub, elsewhere):
    session = elsewhere()
    async with follow(hub) as chunks:
        await until(lambda: hub.home.state.listening_since is not None)
        session.execute(
            "SELECT pg_notify(%s, 'name ' || n) FROM generate_series(1, 100000) AS n",
            [PENDING_CHANNEL],
        )
        began = time.monotonic()
        await publish("7", 1)
        await told(chunks, b"data: 1")
        assert time.monotonic() - began < 5
        assert len(hub.home._to_number) <= pending_streams.MOST


def test_of_names_it_keeps_so_many_and_remembers_that_there_were_more(monkeypatch):
    monkeypatch.setattr(pending_streams, "MOST", 2)
    pending = PendingStreams()
    for name in ("a", "b", "a"):
        pending.add(name)
    assert not pending.overflowed
    pending.add("c")
    assert pending.overflowed
    assert pending.take() == {"a", "b"}
    assert not pending.overflowed
    assert pending.take() == set()


async def test_a_name_for_which_there_was_no_room_is_found_by_looking(hub, elsewhere, monkeypatch):
    monkeypatch.setattr(pending_streams, "MOST", 0)
    async with follow(Hub.current()) as chunks:
        await publish("7", 1)
        await told(chunks, b"data: 1")
