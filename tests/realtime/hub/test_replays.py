"""A crowd that comes back for what is no more in memory."""

import asyncio
from contextlib import suppress

import psycopg
import pytest

import realtime
from realtime.exceptions import DatabaseUnavailable
from realtime.hub import replays as replays_module
from realtime.log.cursor import START
from realtime.log.event_log import EventLog
from realtime.log.topics import EVERYTHING
from tests.realtime.conftest import following, in_thread, unmarked
from tests.waiting import soon, until

CROWD = 40


@pytest.fixture
async def missed(hub):
    """What each of a crowd has missed, and the cursor up to which that is."""
    messages = [realtime.Message(realtime.Topic("test", str(key)), key) for key in range(CROWD)]
    await in_thread(realtime.publish_many, messages, type="orders", stream="default")
    async with asyncio.timeout(10):
        while (tail := await hub.catch_up("default")).position < CROWD:
            pass
    return tail.cursor


@pytest.fixture
def round_trips(monkeypatch):
    """How many clients were read for each time."""
    seen = []
    replays = EventLog.replays

    async def noted(self, connection, several):
        seen.append(len(several))
        return await replays(self, connection, several)

    monkeypatch.setattr(EventLog, "replays", noted)
    return seen


def read(hub, topics, through):
    return hub.replays("default").read("default", topics, after=START, through=through)


async def test_a_crowd_is_read_for_in_a_few_round_trips_and_each_gets_its_own(
    hub, missed, round_trips
):
    crowd = (read(hub, following(str(key)), missed) for key in range(CROWD))
    replays = await soon(asyncio.gather(*crowd, read(hub, EVERYTHING, missed)))
    for key, replay in enumerate(replays[:-1]):
        assert b"data: %d\n" % key in replay.chunk
        assert replay.chunk.count(b"event:") == 1
        assert replay.cursor == missed
        assert not replay.is_other_history
        assert not replay.is_pruned
    assert unmarked(replays[-1].chunk).count(b"event:") == CROWD
    assert sum(round_trips) == CROWD + 1
    # Two connections, sixteen clients at a time: the first to come don't wait for others.
    assert len(round_trips) <= 6
    assert max(round_trips) <= replays_module.TOGETHER


async def test_who_has_left_is_not_read_for(hub, missed, round_trips):
    crowd = [asyncio.create_task(read(hub, EVERYTHING, missed)) for _ in range(CROWD)]
    await asyncio.sleep(0)
    for one in crowd[:-1]:
        one.cancel()
    assert (await soon(crowd[-1])).cursor == missed
    assert sum(round_trips) == 1


async def test_a_crowd_whose_session_ends_is_told_so_and_the_next_are_read_for(
    hub, missed, monkeypatch
):
    replays = EventLog.replays

    async def cut(self, connection, several):
        monkeypatch.setattr(EventLog, "replays", replays)
        await connection.close()
        return await replays(self, connection, several)

    await read(hub, EVERYTHING, missed)
    monkeypatch.setattr(EventLog, "replays", cut)
    crowd = (read(hub, EVERYTHING, missed) for _ in range(CROWD))
    outcomes = await soon(asyncio.gather(*crowd, return_exceptions=True))
    failed = [one for one in outcomes if isinstance(one, DatabaseUnavailable)]
    assert 1 <= len(failed) <= replays_module.TOGETHER
    assert all(one.cursor == missed for one in outcomes if one not in failed)


async def test_what_fails_for_another_reason_is_said_to_each_and_others_go_on(
    hub, missed, monkeypatch
):
    replays = EventLog.replays

    async def broken(self, connection, several):
        monkeypatch.setattr(EventLog, "replays", replays)
        raise psycopg.errors.UndefinedTable("realtime_event")

    monkeypatch.setattr(EventLog, "replays", broken)
    crowd = (read(hub, EVERYTHING, missed) for _ in range(CROWD))
    outcomes = await soon(asyncio.gather(*crowd, return_exceptions=True))
    kinds = {type(one).__name__ for one in outcomes}
    assert kinds == {"UndefinedTable", "Replay"}


@pytest.mark.parametrize("swallowed", [0, 2])
async def test_who_waits_when_the_process_ends_is_told_so(hub, missed, monkeypatch, swallowed):
    """Though a pool that is about to give a connection swallows a cancellation."""
    never = asyncio.Event()

    async def waiting(self, connection, several):
        for _ in range(swallowed):
            with suppress(asyncio.CancelledError):
                await never.wait()
        await never.wait()

    monkeypatch.setattr(EventLog, "replays", waiting)
    crowd = [asyncio.create_task(read(hub, EVERYTHING, missed)) for _ in range(CROWD)]
    await until(lambda: hub.replays("default")._reading == 2)
    await soon(hub.replays("default").close())
    outcomes = await soon(asyncio.gather(*crowd, return_exceptions=True))
    assert {type(one) for one in outcomes} == {DatabaseUnavailable}
