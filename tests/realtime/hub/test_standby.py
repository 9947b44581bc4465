"""Replays from a real streaming standby: whatever becomes of it, nobody misses an event."""

import asyncio
import logging
from contextlib import contextmanager

import httpx
import pytest

from config.demo.accounts import PASSWORD
from realtime.counts import counts
from realtime.hub import standby as standby_module
from realtime.hub.replays import Replays
from realtime.log.cursor import START, Cursor
from realtime.log.event_log import EventLog
from realtime.log.topics import EVERYTHING
from realtime.postgres.connections import direct_parameters
from tests.clients import open_stream, token
from tests.servers import running_server
from tests.storm.cluster import running_cluster
from tests.waiting import soon, wait_until

pytestmark = pytest.mark.slow

DATABASE = "postgres"
INSERT = "INSERT INTO realtime_outbox (stream, topic, type, data) VALUES ('default', %s, 'x', %s)"
ALICE = "SELECT id FROM auth_user WHERE username = 'alice'"
NUMBER = "SELECT last_position, last_mark FROM realtime_number_events('default', 100, 0, NULL)"
QUERY_SECONDS = 10.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("clusters")


@pytest.fixture(scope="module")
def primary(shop_files, folder):
    with running_cluster(folder / "primary", files=shop_files) as cluster:
        yield cluster


@pytest.fixture
def standby(processes, primary, tmp_path):
    """With a log that is empty on both."""
    with primary.connect(DATABASE) as session:
        session.execute("TRUNCATE realtime_event, realtime_stream, realtime_outbox")
    with running_cluster(tmp_path / "standby", standby_of=primary) as standby:
        yield standby


@pytest.fixture
async def replays(primary, standby, monkeypatch):
    monkeypatch.setattr(counts, "replays", type(counts.replays)())

    def parameters(cluster):
        async def of_now():
            return direct_parameters(cluster.url(DATABASE))

        return of_now

    replays = Replays(
        EventLog(QUERY_SECONDS), parameters(primary), QUERY_SECONDS, standby=parameters(standby)
    )
    yield replays
    await replays.close()


def publish(cluster, *data, to="x:7"):
    """Publish and number events; the cursor of the last of them."""
    with cluster.connect(DATABASE) as session:
        for one in data:
            session.execute(INSERT, [to, f'"{one}"'])
        return Cursor(*session.execute(NUMBER).fetchone())


def arrived(standby, cursor):
    """Wait until the standby has this event."""
    query = "SELECT 1 FROM realtime_event WHERE position = %s AND mark = %s"
    with standby.connect(DATABASE) as session:
        wait_until(lambda: session.execute(query, [*cursor]).fetchone())


@contextmanager
def falling_behind(standby):
    """A standby that receives what is written, and doesn't apply it."""
    with standby.connect(DATABASE) as session:
        session.execute("SELECT pg_wal_replay_pause()")
        wait_until(
            lambda: (
                session.execute("SELECT pg_get_wal_replay_pause_state()").fetchone() == ("paused",)
            )
        )
        yield
        session.execute("SELECT pg_wal_replay_resume()")


async def read(replays, *, through, after=START, enough=None):
    replay = await soon(
        replays.read("default", EVERYTHING, after=after, through=through, enough=enough)
    )
    lines = [line for line in replay.chunk.decode().split("\n") if line.startswith("data: ")]
    return [line.removeprefix('data: "').removesuffix('"') for line in lines], replay.cursor


async def test_a_standby_that_has_come_so_far_is_asked_alone(replays, primary, standby):
    last = publish(primary, "a", "b", "c")
    arrived(standby, last)
    primary.freeze()
    try:
        assert await read(replays, through=last) == (["a", "b", "c"], last)
    finally:
        primary.thaw()
    assert counts.replays == {"standby": 1}


async def test_what_a_standby_does_not_have_yet_the_primary_is_asked_for(replays, primary, standby):
    first = publish(primary, "a")
    arrived(standby, first)
    with falling_behind(standby):
        last = publish(primary, "b", "c")
        assert await read(replays, through=last) == (["a", "b", "c"], last)
        assert counts.replays == {"primary": 1}
        # A client that finds the newest events in memory needs no more than those before.
        assert await read(replays, through=last, enough=first) == (["a"], first)
        assert counts.replays == {"primary": 1, "standby": 1}


async def test_a_standby_that_was_promoted_and_has_another_history_is_not_believed(
    replays, primary, standby
):
    first = publish(primary, "a")
    arrived(standby, first)
    with standby.connect(DATABASE) as session:
        session.execute("SELECT pg_promote()")
    publish(standby, *(f"other {number}" for number in range(5)))
    last = publish(primary, "b", "c")
    assert await read(replays, through=last) == (["a", "b", "c"], last)
    assert counts.replays == {"primary": 1}
    # What both have in common is no matter of belief.
    assert await read(replays, through=last, enough=first) == (["a"], first)
    assert counts.replays == {"primary": 1, "standby": 1}


async def test_only_the_primary_resets_a_client(replays, primary, standby):
    last = publish(primary, "a", "b", "c")
    arrived(standby, last)
    replay = await replays.read("default", EVERYTHING, after=Cursor(1, 7), through=last)
    assert replay.is_other_history
    with primary.connect(DATABASE) as session:
        session.execute("DELETE FROM realtime_event WHERE position <= 2")
        session.execute("UPDATE realtime_stream SET pruned_through = 2")
        with standby.connect(DATABASE) as other:
            is_pruned = "SELECT 1 FROM realtime_stream WHERE pruned_through = 2"
            wait_until(lambda: other.execute(is_pruned).fetchone())
    replay = await replays.read("default", EVERYTHING, after=START, through=last)
    assert replay.is_pruned
    assert counts.replays == {"primary": 2}


async def test_a_standby_that_is_away_costs_one_attempt_and_is_asked_again_later(
    replays, primary, standby, monkeypatch, caplog
):
    last = publish(primary, "a")
    arrived(standby, last)
    assert await read(replays, through=last) == (["a"], last)
    standby.crash()
    with caplog.at_level(logging.WARNING, "realtime"):
        for _ in range(3):
            assert await read(replays, through=last) == (["a"], last)
        assert counts.replays == {"standby": 1, "primary": 3}
        assert len(caplog.records) == 1
        assert "can't be used" in caplog.text
        standby.start()
        monkeypatch.setattr(replays._standby, "_rests_until", 0.0)
        assert await read(replays, through=last) == (["a"], last)
    assert counts.replays == {"standby": 2, "primary": 3}
    assert "answers again" in caplog.text


async def test_a_standby_that_does_not_answer_is_waited_for_once(
    replays, primary, standby, monkeypatch
):
    monkeypatch.setattr(standby_module, "REST_SECONDS", 60.0)
    last = publish(primary, "a")
    arrived(standby, last)
    assert await read(replays, through=last) == (["a"], last)
    standby.freeze()
    try:
        for _ in range(3):
            assert await read(replays, through=last) == (["a"], last)
    finally:
        standby.thaw()
    assert counts.replays == {"standby": 1, "primary": 3}
    # Not for each of them.
    assert replays._standby._rests_until > asyncio.get_running_loop().time() + 50


def test_a_process_replays_from_the_standby_that_its_settings_name(primary, standby):
    with primary.connect(DATABASE) as session:
        [alice] = session.execute(ALICE).fetchone()
    last = publish(primary, *range(5), to=f"auth.user:{alice}")
    arrived(standby, last)
    with running_server(
        "daphne",
        DATABASE_URL=primary.url(DATABASE),
        REPLAY_DATABASE_URL=standby.url(DATABASE),
        REALTIME_METRICS_TOKEN="t",
    ) as server:
        with open_stream(server, cursor="0", **token(server, "alice", PASSWORD)) as stream:
            assert [stream.next_event().data for _ in range(5)] == [f'"{n}"' for n in range(5)]
            publish(primary, "live", to=f"auth.user:{alice}")
            assert stream.next_event().data == '"live"'
        metrics = httpx.get(f"{server.url}/metrics", headers={"Authorization": "Bearer t"}).text
    assert 'realtime_replays_total{server="standby"} 1.0' in metrics
