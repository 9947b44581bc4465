"""The last value of a key: progress bars, counters, prices."""

import asyncio
import re
import time
from contextlib import aclosing

import pytest

import realtime
from realtime import Topic
from realtime.hub.hub import Hub
from realtime.log.cursor import START, Cursor
from realtime.models import Event
from tests.realtime.conftest import following, in_thread
from tests.waiting import soon, until

pytestmark = pytest.mark.usefixtures("hub")

JOB = Topic("test", "job")
SECONDS = 1.5
MOST_ROWS_A_SECOND = 50


def tick(number):
    realtime.publish(to=JOB, type="progress", data=number, latest="progress", stream="default")


def tick_for(seconds):
    """As fast as one process can; how many there were."""
    ends_at = time.monotonic() + seconds
    number = 0
    while time.monotonic() < ends_at:
        number += 1
        tick(number)
        time.sleep(0.0005)
    return number


def values(chunk):
    return [int(value) for value in re.findall(rb"^data: (\d+)$", chunk, re.MULTILINE)]


async def read_until(chunks, last, seen):
    """Until the last value; it is appended what was told, with when."""
    async for chunk in chunks:
        seen += values(chunk)
        if seen and seen[-1] == last:
            return


async def test_a_thousand_ticks_a_second_are_some_rows_and_one_value(hub, elsewhere):
    session = elsewhere()
    await hub.catch_up("default")
    began = time.monotonic()
    ticking = asyncio.create_task(in_thread(tick_for, SECONDS))
    await asyncio.sleep(SECONDS / 2)
    # A page opens in the middle, with nothing but the topic.
    stream = hub.open_stream("default", following("job"), START)
    seen = []
    async with aclosing(stream.chunks()) as chunks:
        await soon(anext(chunks))
        seen += values(await soon(anext(chunks)))
        assert len(seen) == 1, "it is told the value of now, and nothing that came before"
        last = await ticking
        await asyncio.wait_for(read_until(chunks, last, seen), 10)
    took = time.monotonic() - began
    assert seen == sorted(seen), "it ran backwards"
    assert last > MOST_ROWS_A_SECOND * SECONDS, "too slow a machine to say anything"
    rows, living = session.execute(
        "SELECT count(*), count(data) FROM realtime_event WHERE stream = 'default'"
    ).fetchone()
    assert living == 1
    assert rows < MOST_ROWS_A_SECOND * took, f"{rows} rows of {last} ticks in {took:.1f} s"


async def test_a_client_that_is_slow_gets_the_newest_only(hub):
    async with hub.open_stream("default", following("job"), START) as stream:
        stream.take()  # its opening; then it takes nothing for a while
        for number in range(1, 6):
            await in_thread(tick, number)
            await until(lambda: hub.tail("default").position == number)  # noqa: B023
        assert values(stream.take()) == [5]
        assert stream.take() == b""


@pytest.mark.parametrize("source", ["memory", "table"])
async def test_what_is_told_from_the_beginning_is_the_state_and_not_the_history(hub, source):
    stream = hub.open_stream("default", following("job"), START)
    async with aclosing(stream.chunks()) as chunks:
        await soon(anext(chunks))
        for number in range(1, 4):
            await in_thread(tick, number)
            await until(lambda: hub.tail("default").position == number)  # noqa: B023
        if source == "table":
            hub.tail("default").restart(hub.tail("default").cursor)
        late = hub.open_stream("default", following("job"), START)
        async with aclosing(late.chunks()) as state:
            await soon(anext(state))
            assert values(await soon(anext(state))) == [3]
    assert await in_thread(Event.objects.count) == 1


async def test_a_page_whose_server_is_replaced_amid_the_ticks_ends_with_the_last(hub, elsewhere):
    stream = hub.open_stream("default", following("job"), START)
    seen = []
    async with aclosing(stream.chunks()) as chunks:
        await in_thread(tick, 0)
        await asyncio.wait_for(read_until(chunks, 0, seen), 10)
        ticking = asyncio.create_task(in_thread(tick_for, 1.0))
        while len(seen) < 3:
            chunk = await soon(anext(chunks))
            seen += values(chunk)
    # It comes back with the last id that it has seen.
    last_id = re.findall(rb"^id: (.+)$", chunk, re.MULTILINE)[-1].decode()
    await Hub.close_current()
    later = Hub.current().open_stream("default", following("job"), Cursor.parse(last_id))
    async with aclosing(later.chunks()) as chunks:
        last = await ticking
        await asyncio.wait_for(read_until(chunks, last, seen), 10)
    assert seen == sorted(set(seen)), "it ran backwards, or told twice"
    assert await in_thread(lambda: list(Event.objects.values_list("data", flat=True))) == [
        str(last)
    ]
