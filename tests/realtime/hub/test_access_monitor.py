"""The guard's clock, over streams that are nothing but their access."""

import asyncio
import math

import pytest

from realtime.access.grants import Grant
from realtime.hub import access_monitor
from realtime.hub.access_monitor import AccessMonitor
from realtime.hub.open_streams import OpenStreams
from tests.waiting import soon, until


class Stream:
    topics = ("auth.user:7",)

    def __init__(self, ends_at):
        self.access = Grant(ends_at=ends_at)
        self.closed = asyncio.Event()
        self.end_reason = None

    def close(self, reason):
        self.end_reason = reason
        self.closed.set()


class CountedStreams(OpenStreams):
    """How often somebody has gone through all of them."""

    rounds = 0

    def __iter__(self):
        self.rounds += 1
        return super().__iter__()


class Clock:
    """The time of day, and how often it was asked for."""

    now = 1000.0
    strokes = 0

    def time(self):
        self.strokes += 1
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(access_monitor, "time", clock)
    monkeypatch.setattr(access_monitor, "CLOCK_SECONDS", 0.001)
    return clock


@pytest.fixture
async def watch(clock):
    """Has a guard watch over these streams until the test ends."""
    tasks = []
    yield lambda streams: tasks.append(
        asyncio.create_task(AccessMonitor(streams, math.inf, 1).run())
    )
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_it_goes_through_all_streams_only_when_one_of_them_may_have_ended(watch, clock):
    streams = CountedStreams()
    early, late = Stream(ends_at=1010), Stream(ends_at=1020)
    for stream in (early, late, Stream(ends_at=None)):
        streams.add(stream)
    watch(streams)
    await until(lambda: clock.strokes >= 10)
    assert streams.rounds == 1

    clock.now = 1010
    await soon(early.closed.wait())
    streams.remove(early)
    strokes = clock.strokes
    await until(lambda: clock.strokes >= strokes + 10)
    assert streams.rounds == 2
    assert not late.closed.is_set()

    clock.now = 1030
    await soon(late.closed.wait())
