"""What Prometheus is told."""

import sys
from contextlib import aclosing, asynccontextmanager

import pytest
from django.test import AsyncClient
from prometheus_client.parser import text_string_to_metric_families

from realtime import conf
from realtime import counts as counting
from realtime.counts import Counts
from realtime.hub.stream import EventStream
from realtime.log.cursor import START
from realtime.log.topics import EVERYTHING, Selection
from tests.realtime.conftest import following, publish
from tests.waiting import soon, until

ADDRESS = "/metrics"
TOKEN = "a token"
SENT = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def http(settings):
    settings.REALTIME = {**settings.REALTIME, "METRICS_TOKEN": TOKEN}
    return AsyncClient()


async def scrape(http):
    """Each sample: its value by name and labels."""
    response = await http.get(ADDRESS, headers=SENT)
    assert response.status_code == 200, response.content
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(response.content.decode())
        for sample in family.samples
    }


def grown(before, after):
    return {key: after[key] - before.get(key, 0) for key in after}


async def now(hub):
    return (await hub.catch_up("default")).cursor


@asynccontextmanager
async def follow(hub, cursor):
    """The chunks of a stream that has begun."""
    stream = EventStream(hub, "default", following("7"), cursor)
    async with aclosing(stream.chunks()) as chunks:
        await soon(anext(chunks))
        yield chunks


async def test_it_tells_what_has_happened(http, hub):
    before = await scrape(http)
    async with follow(hub, await now(hub)) as chunks:
        await publish("7", 1, 2)
        received = await soon(anext(chunks))
        while received.count(b"\n\n") < 2:
            received += await soon(anext(chunks))
        during = await scrape(http)
    after = await scrape(http)
    assert during["realtime_streams_open", "topics"] == 1
    told = grown(before, after)
    assert told["realtime_streams_opened_total", "topics"] == 1
    assert told["realtime_streams_ended_total", "client"] == 1
    assert told["realtime_events_published_total", "default"] == 2
    assert told["realtime_events_numbered_total", "default"] == 2
    assert told["realtime_events_delivered_total",] == 2
    assert told["realtime_delivered_bytes_total",] == len(received)
    assert told["realtime_number_seconds_count",] >= 1
    assert told["realtime_write_seconds_count",] >= 1
    assert told["realtime_insert_to_number_seconds_count",] >= 1
    assert told["realtime_insert_to_write_seconds_count",] >= 1
    assert after["realtime_hub_connected", "default"] == 1
    assert after["realtime_lag_seconds", "default"] == 0
    assert after["realtime_table_bytes", "default", "realtime_event"] > 0


@pytest.mark.parametrize(
    ("topics", "kind"),
    [
        (("test:7",), "topics"),
        (Selection(frozenset({"orders"}), ("test:7",)), "types"),
        (EVERYTHING, "everything"),
    ],
)
async def test_streams_are_told_apart_by_what_they_follow(http, hub, topics, kind):
    stream = EventStream(hub, "default", topics, await now(hub))
    async with aclosing(stream.chunks()) as chunks:
        await soon(anext(chunks))
        told = await scrape(http)
    assert {key: number for key, number in told.items() if key[0] == "realtime_streams_open"} == {
        ("realtime_streams_open", kind): 1
    }


async def test_it_tells_of_replays_resets_and_rejections(http, hub, client):
    await publish("7", 1)
    await hub.catch_up("default")
    before = await scrape(http)
    async with follow(hub, START) as chunks:
        await soon(anext(chunks))
    async with follow(hub, None) as chunks:
        pass
    assert (await client.get("/orders/realtime")).status_code == 401
    told = grown(before, await scrape(http))
    assert told["realtime_replay_seconds_count",] == 1
    assert told["realtime_resets_total", "invalid"] == 1
    assert told["realtime_streams_rejected_total", "unauthorized", "401"] == 1


async def test_an_event_has_waited_since_its_row_was_inserted(http, hub, elsewhere):
    """Not since its commit, which no row knows; by the clock of the database alone."""
    before = await scrape(http)
    async with follow(hub, await now(hub)) as chunks:
        elsewhere().execute(
            "INSERT INTO realtime_outbox (stream, topic, type, data, created_at) "
            "VALUES ('default', 'test:7', 'orders', '1', now() - interval '7 seconds')"
        )
        hub.poll()
        await soon(anext(chunks))
    told = grown(before, await scrape(http))
    for name in ("realtime_insert_to_number_seconds", "realtime_insert_to_write_seconds"):
        assert told[f"{name}_count",] == 1
        assert 7 <= told[f"{name}_sum",] < 60


async def test_it_tells_why_a_stream_has_ended(http, hub, settings):
    before = await scrape(http)
    async with follow(hub, await now(hub)) as chunks:
        await hub.drain(0)
        with pytest.raises(StopAsyncIteration):
            while True:
                await soon(anext(chunks))
    hub.is_draining = False
    stalled = hub.open_stream("orders", following("7"), await now(hub))
    async with stalled:
        for _ in range(2 + conf.get("STALLED_HEARTBEATS")):
            stalled.beat()
    told = grown(before, await scrape(http))
    assert told["realtime_streams_ended_total", "drained"] == 1
    assert told["realtime_streams_ended_total", "stalled"] == 1


async def test_it_tells_whether_notifications_are_heard(http, hub):
    await until(lambda: hub.home.state.listening_since is not None)
    assert (await scrape(http))["realtime_hub_listening", "default"] == 1


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}], ids=["none", "wrong"])
async def test_nobody_sees_it_without_the_token(http, hub, headers):
    response = await http.get(ADDRESS, headers=headers)
    assert response.status_code == 401


async def test_without_a_token_in_the_settings_nobody_sees_it(hub, settings):
    settings.REALTIME = {**settings.REALTIME, "METRICS_TOKEN": None}
    for sent in ("", "Bearer ", "Bearer None"):
        response = await AsyncClient().get(ADDRESS, headers={"Authorization": sent})
        assert response.status_code == 401


async def test_without_prometheus_client_it_says_what_to_install(http, hub, monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    response = await http.get(ADDRESS, headers=SENT)
    assert response.status_code == 501
    assert "pip install" in response.content.decode()


def test_a_histogram_counts_what_lies_between_its_ends():
    histogram = counting.Histogram()
    for seconds in (0.0005, 0.001, 0.3, 60):
        histogram.observe(seconds)
    assert sum(histogram.counts) == 4
    assert histogram.counts[0] == 2
    assert histogram.counts[-1] == 1


def test_events_are_counted_by_their_ends():
    counts = Counts(is_on=True)
    counts.delivered(b"id: 1\ndata: one\ndata: two\n\nid: 2\ndata: 1\n\n")
    assert counts.delivered_events == 2
