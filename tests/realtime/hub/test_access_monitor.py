"""The access monitor, over streams that are nothing but their access."""

import asyncio
import math
import time

import pytest
from django.db import OperationalError

from realtime.access.ends_of_users import signed
from realtime.access.grants import Grant, Review
from realtime.hub import access_monitor, unending
from realtime.hub.access_monitor import AccessMonitor
from realtime.hub.heartbeat import Heartbeat
from realtime.hub.open_streams import ACCESS_ENDED, OpenStreams
from realtime.log import notifications
from tests.waiting import soon, until


class Stream:
    topics = ("auth.user:7",)

    def __init__(self, ends_at=None, user=""):
        self.access = Grant(ends_at=ends_at, user=user)
        self.closed = asyncio.Event()
        self.end_reason = None

    def close(self, reason, farewell=b""):
        self.end_reason = reason
        self.closed.set()

    def change_topics(self, topics):
        self.topics = topics


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
    """Has a monitor watch over these streams until the test ends; returns it."""
    tasks = []

    def watch(streams):
        monitor = AccessMonitor(streams, math.inf, 1)
        tasks.append(asyncio.create_task(monitor.run()))
        return monitor

    yield watch
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


async def test_an_error_does_not_end_its_watch(watch, clock, monkeypatch, caplog):
    """Nobody would notice: all streams would stay open, whatever ends."""
    monkeypatch.setattr(unending, "RESTART_SECONDS", 0)
    streams = OpenStreams()
    broken, other = Stream(ends_at=1010), Stream(ends_at=1010)

    def fail(reason, farewell=b""):
        streams.remove(broken)
        raise RuntimeError("A bug.")

    broken.close = fail
    for stream in (broken, other):
        streams.add(stream)
    watch(streams)
    clock.now = 1010
    await soon(other.closed.wait())
    assert "Could not notice when an access ends, trying again" in caplog.text


async def test_streams_beat_whatever_one_of_them_does(monkeypatch, caplog):
    streams, beats = OpenStreams(), asyncio.Event()
    broken, other = Stream(), Stream()

    def fail():
        raise RuntimeError("A bug.")

    broken.beat, other.beat = fail, beats.set
    for stream in (broken, other):
        streams.add(stream)
    beating = asyncio.create_task(Heartbeat(streams, 1).run())
    await soon(beats.wait())
    beating.cancel()
    await asyncio.gather(beating, return_exceptions=True)
    assert "The heartbeat of a stream failed" in caplog.text


@pytest.fixture
def looks(monkeypatch):
    """What is done at each look at the streams' access, of which nothing has ended."""
    looks = []

    def look(grants):
        for each in looks:
            each()
        return []

    monkeypatch.setattr(access_monitor, "_ended_in_thread", look)
    return looks


async def test_who_is_doubted_again_during_each_look_keeps_their_stream(
    watch, clock, looks, monkeypatch
):
    """Anybody may notify, as often as they like: each look is one that came too early."""
    monkeypatch.setattr(access_monitor, "NOTIFIED_SECONDS", 0.5)
    streams = OpenStreams()
    stream = Stream(user="7")
    streams.add(stream)
    monitor = watch(streams)
    loop, looked = asyncio.get_running_loop(), []

    def forge():
        looked.append(loop.time())
        loop.call_soon_threadsafe(monitor.hear, "user 7")

    looks.append(forge)
    monitor.hear("user 7")
    await until(lambda: looked and looked[-1] - looked[0] > 1.5)
    assert not stream.closed.is_set()
    # Nor is a doubt left behind when they have stopped, and nothing is looked at any more.
    looks.clear()
    await asyncio.sleep(1.5)
    assert not stream.closed.is_set()


async def test_a_doubt_that_came_during_a_look_is_not_settled_by_it(
    watch, clock, looks, monkeypatch
):
    monkeypatch.setattr(access_monitor, "NOTIFIED_SECONDS", 0.2)
    streams = OpenStreams()
    stream = Stream(user="7")
    streams.add(stream)
    monitor = watch(streams)
    loop = asyncio.get_running_loop()

    def doubt_and_fail_from_now_on():
        loop.call_soon_threadsafe(monitor.hear, "user 7")
        looks[:] = [fail]

    def fail():
        raise OperationalError("no connection")

    looks.append(doubt_and_fail_from_now_on)
    monitor.hear("user 7")
    await soon(stream.closed.wait())


async def test_a_look_that_has_failed_is_tried_again_at_once(watch, looks, monkeypatch):
    monkeypatch.setattr(access_monitor, "CLOCK_SECONDS", 3600)
    streams = OpenStreams()
    streams.add(Stream(user="7"))
    monitor = watch(streams)

    def fail_once():
        looks.clear()
        raise OperationalError("no connection")

    looks.append(fail_once)
    monitor.check_all()
    await until(monitor._verified.is_set)


async def test_the_end_of_a_user_with_a_long_key_is_heard(watch, clock):
    streams = OpenStreams()
    stream = Stream(user="ü" * 200 + "@example.com" + "x" * 43)
    streams.add(stream)
    monitor = watch(streams)
    monitor.hear(notifications.access(notifications.USER_ENDED, signed(stream.access.user)))
    await soon(stream.closed.wait())


async def test_what_is_heard_takes_bounded_memory(watch, clock, looks):
    streams = OpenStreams()
    concerned, other = Stream(user="7"), Stream(user="8")
    for stream in (concerned, other):
        stream.topics = ()
        streams.add(stream)
    monitor = watch(streams)
    most = 0
    for number in range(10_000):
        monitor.hear(f"user {number + 100}")
        monitor.hear("topic " + "x" * 7000 + str(number))
        most = max(most, len(monitor._heard))
    assert most <= access_monitor.MOST_HEARD
    assert not monitor._due
    monitor.hear("user 7")
    monitor._note_what_was_heard()
    assert monitor._due == {concerned}


@pytest.mark.usefixtures("takes_seconds")
async def test_views_that_take_their_time_end_nobodys_stream(monkeypatch):
    """Together they take longer than the database may for one look, and than a stream may wait."""
    monkeypatch.setattr(access_monitor, "LATE_SECONDS", 0.5)
    monkeypatch.setattr(access_monitor, "CLOCK_SECONDS", 0.05)
    streams, looked_at = OpenStreams(), set()
    everybody = [Stream(user=str(number)) for number in range(150)]
    for stream in everybody:
        stream.access.review = Review(lambda user: (), ())
        streams.add(stream)

    def look(grants):
        if (seconds := 0.02 * len(grants)) > 1:
            raise OperationalError("hung up on")
        time.sleep(seconds)
        looked_at.update(grants)
        return [grant for grant in grants if grant.user == "gone"]

    monkeypatch.setattr(access_monitor, "_ended_in_thread", look)
    monitor = AccessMonitor(streams, 0.5, 1)
    watching = asyncio.create_task(monitor.run())
    monitor.check_all()
    try:
        await until(lambda: len(looked_at) == len(everybody))
        # Who is doubted has their turn before those who only wait for theirs.
        monitor.check_all()
        looked_at.clear()
        await until(lambda: len(looked_at) > 0)
        everybody[70].access.user = "gone"
        monitor.hear("user gone")
        await until(everybody[70].closed.is_set)
        assert everybody[70].end_reason == ACCESS_ENDED
        assert len(looked_at) < len(everybody)
        closed = [stream for stream in everybody if stream.closed.is_set()]
        assert closed == [everybody[70]]
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


@pytest.mark.usefixtures("takes_seconds")
async def test_a_view_that_waits_for_a_lock_ends_nobody_elses_stream(monkeypatch):
    monkeypatch.setattr(access_monitor, "LATE_SECONDS", 2)
    monkeypatch.setattr(access_monitor, "CLOCK_SECONDS", 0.05)
    streams = OpenStreams()

    class Numbered(Stream):
        """The first of a set is always the same, as it may be."""

        def __hash__(self):
            return int(self.access.user)

    everybody = [Numbered(user=str(number)) for number in range(40)]
    for stream in everybody:
        stream.access.review = Review(lambda user: (), ())
        streams.add(stream)
    blocked, *others = everybody

    def look(grants):
        if blocked.access in grants:
            time.sleep(0.3)
            raise OperationalError("hung up on")
        for grant in grants:
            grant.has_failed = False
        return []

    monkeypatch.setattr(access_monitor, "_ended_in_thread", look)
    monitor = AccessMonitor(streams, 0.5, 1)
    watching = asyncio.create_task(monitor.run())
    for stream in everybody:
        monitor.check_soon(stream)
    try:
        await soon(blocked.closed.wait())
        streams.remove(blocked)
        assert not [one for one in others if one.closed.is_set()]
        began = min(one.access.verified_at for one in others)
        await until(lambda: min(one.access.verified_at for one in others) > began)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
