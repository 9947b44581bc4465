"""A process that looks for events by itself while many come, so that nobody needs to hint."""

import asyncio
import math
import random
import threading
import time

import pytest
from django.db import connections, transaction

import realtime
from realtime import PUBLIC
from realtime.hub.hub import Hub
from realtime.log.pending_notifications import known_leases
from realtime.log.polling_lease import (
    BUSY_EVENTS,
    BUSY_ROWS,
    BUSY_SECONDS,
    LEASE_SECONDS,
    REST_SECONDS,
    PollingLeases,
)
from tests.realtime.conftest import in_thread, publish
from tests.waiting import until

SHORTEST_REST, LONGEST_REST = REST_SECONDS


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def leases(clock):
    return PollingLeases(clock)


def look(leases, clock, *, seconds=0.0, found=0, leased=False, finished=True, more=False):
    """A look at the orders that takes so long."""
    began = clock.now
    clock.now += seconds
    leases.polled("default", began=began, found=found, finished=finished, leased=leased, more=more)


def test_without_a_promise_there_is_no_lease(leases, clock):
    look(leases, clock)
    assert "default" not in leases
    assert leases.due() == set()
    assert leases.next_poll == float("inf")


def test_looks_come_after_a_rest(leases, clock):
    look(leases, clock, leased=True)
    assert leases.due() == set()
    clock.now += SHORTEST_REST
    assert leases.due() == {"default"}
    assert leases.next_poll == clock.now


def test_the_longer_a_look_takes_the_longer_is_the_rest_up_to_a_bound(leases, clock):
    rests = []
    for seconds in (0.0, 0.005, 1.0):
        look(leases, clock, seconds=seconds, leased=True)
        rests.append(leases.next_poll - clock.now)
    assert rests == pytest.approx([SHORTEST_REST, 0.02, LONGEST_REST])


def test_a_backlog_is_looked_at_without_a_rest(leases, clock):
    look(leases, clock, seconds=0.1, leased=True, more=True)
    assert leases.due() == {"default"}


def test_a_look_that_began_after_the_leased_time_is_the_last(leases, clock):
    look(leases, clock, leased=True)
    ends = clock.now + LEASE_SECONDS
    clock.now = ends - 0.01
    look(leases, clock, seconds=0.02)  # begun too early: what commits at the end is not in it
    assert "default" in leases
    look(leases, clock)
    assert "default" not in leases


def test_a_look_that_another_session_was_at_is_not_the_last(leases, clock):
    look(leases, clock, leased=True)
    clock.now += LEASE_SECONDS
    look(leases, clock, finished=False)
    assert "default" in leases


def test_every_promise_prolongs_it(leases, clock):
    look(leases, clock, leased=True)
    clock.now += LEASE_SECONDS
    look(leases, clock, leased=True)
    clock.now += LEASE_SECONDS / 2
    look(leases, clock)
    assert "default" in leases


def test_many_events_one_after_the_other_are_the_beginning_of_a_lease(leases, clock):
    assert leases.busy_rows("default") == BUSY_ROWS
    for _ in range(BUSY_EVENTS):
        look(leases, clock, seconds=BUSY_SECONDS / BUSY_EVENTS, found=2)
    clock.now += SHORTEST_REST
    assert leases.busy_rows("default") == 1
    assert leases.busy_rows("imports") == BUSY_ROWS


def test_as_many_in_a_longer_time_are_not(leases, clock):
    for _ in range(BUSY_EVENTS):
        look(leases, clock, seconds=2 * BUSY_SECONDS / BUSY_EVENTS, found=1)
        assert leases.busy_rows("default") == BUSY_ROWS


def test_after_a_rest_a_single_event_is_not(leases, clock):
    look(leases, clock, seconds=2 * BUSY_SECONDS, found=3 * BUSY_EVENTS)
    assert leases.busy_rows("default") == 1
    clock.now += 10 * BUSY_SECONDS
    assert leases.busy_rows("default") == BUSY_ROWS


@pytest.fixture
async def hub(transactional_db, settings):
    """One that finds nothing by its poll."""
    settings.REALTIME = {**settings.REALTIME, "POLL_SECONDS": 60.0}
    yield Hub.current()
    await Hub.close_current()


@pytest.fixture
def log_length(elsewhere):
    session = elsewhere()
    return lambda: session.execute("SELECT count(*) FROM realtime_event").fetchone()[0]


def write_without_a_hint(session, stream):
    session.execute(
        "INSERT INTO realtime_outbox (stream, topic, type, data) "
        "VALUES (%s, 'test:7', 'orders', '1')",
        [stream],
    )


async def test_while_it_leases_it_finds_what_nobody_hints_at(hub, elsewhere, log_length):
    await publish("7", *range(BUSY_ROWS))
    await until(lambda: "default" in hub.home._leases)
    write_without_a_hint(elsewhere(), "default")
    await until(lambda: log_length() == BUSY_ROWS + 1)


async def test_a_single_busy_writer_is_polled_too(hub, monkeypatch, log_length):
    monkeypatch.setattr("realtime.log.polling_lease.BUSY_EVENTS", 0)
    async with asyncio.timeout(30):
        count = 0
        while "default" not in hub.home._leases:
            await publish("7", count)
            count += 1
            await until(lambda: log_length() == count)  # noqa: B023


async def test_a_hint_of_what_is_leaseed_waits_for_the_next_poll(
    hub, elsewhere, log_length, monkeypatch
):
    monkeypatch.setattr("realtime.log.polling_lease.REST_SECONDS", (60.0, 60.0))
    await publish("7", *range(BUSY_ROWS))
    await until(lambda: "default" in hub.home._leases)
    session = elsewhere()
    for stream in ("default", "imports"):  # heard in this order
        write_without_a_hint(session, stream)
        session.execute("SELECT pg_notify('realtime_pending', %s)", [stream])
    await until(lambda: log_length() > BUSY_ROWS)
    assert session.execute("SELECT stream FROM realtime_outbox").fetchall() == [("default",)]


async def test_it_ends_when_fewer_come_and_is_hinted_at_again(hub, log_length):
    await publish("7", *range(BUSY_ROWS))
    await until(lambda: "default" in hub.home._leases)
    await until(lambda: "default" not in hub.home._leases)
    await publish("7", "afterwards")
    await until(lambda: log_length() == BUSY_ROWS + 1)


async def test_who_closes_the_hub_relies_on_its_lease_no_longer(hub):
    known_leases.of("default", "default").note_held(until=math.inf)
    await Hub.close_current()
    assert not known_leases.of("default", "default").covers(time.monotonic())


async def test_whenever_they_commit_no_event_waits_for_the_poll(hub, log_length):
    """Some within a lease, some after it, some on its edge."""
    chance, each, writers = random.Random(5), 40, 8

    def write():
        try:
            for number in range(each):
                with transaction.atomic():
                    realtime.publish(to=PUBLIC, type="orders", data=number, stream="default")
                    if chance.random() < 0.2:
                        time.sleep(chance.uniform(0, 1.5 * LEASE_SECONDS))
                if chance.random() < 0.05:
                    time.sleep(2 * LEASE_SECONDS)
        finally:
            connections.close_all()

    def write_at_once():
        threads = [threading.Thread(target=write) for _ in range(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    await in_thread(write_at_once)
    await until(lambda: log_length() == each * writers)
