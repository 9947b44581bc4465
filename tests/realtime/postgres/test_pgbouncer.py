"""PgBouncer in transaction mode in front: Debian's package `pgbouncer`."""

import asyncio
import os
import subprocess
import sys
import time
from functools import partial

import httpx
import pytest

import realtime
from orders.models import Order
from realtime.hub.replays import Replays
from realtime.log.cursor import START
from realtime.log.event_log import EventLog
from realtime.models import Event
from realtime.postgres.connections import direct_parameters
from tests.clients import WAIT_SECONDS, bearer, event_id, open_stream, signed_in
from tests.conftest import PASSWORD
from tests.pgbouncer import program, running_pgbouncer
from tests.realtime.conftest import following, publish, unmarked
from tests.servers import ROOT, database_url, running_server
from tests.shared_servers import shared_server
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(
    program() is None, reason="PgBouncer is not installed: apt-get install pgbouncer"
)
# More often than psycopg would run a statement before it prepares it.
TIMES = 8
# Of each order: its own, and what the bell is told of it.
EVENTS = 2


@pytest.fixture(scope="module")
def shared_pgbouncer(processes, django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), running_pgbouncer() as url:
        yield url


@pytest.fixture(scope="module")
def shared_daphne(shared_pgbouncer, django_db_blocker):
    """With a direct way for the listener; its log goes on from test to test."""
    with django_db_blocker.unblock():
        direct = database_url()
    environment = {"DATABASE_URL": shared_pgbouncer, "REALTIME_LISTEN_URL": direct}
    yield from shared_server(django_db_blocker, "daphne", **environment)


@pytest.fixture
def pgbouncer(transactional_db, shared_pgbouncer):
    return shared_pgbouncer


@pytest.fixture
def server(transactional_db, shared_daphne):
    return shared_daphne.running()


@pytest.fixture
def no_other_process(transactional_db, shared_daphne):
    """One that hears of events would number them."""
    shared_daphne.stop()


def until_listener(server, state):
    def said():
        answer = httpx.get(f"{server.url}/readyz", timeout=WAIT_SECONDS)
        return answer if answer.json()["listener"] == state else None

    return wait_until(said, 15, otherwise=lambda: "".join(server.output))


def place(server, user):
    """Place an order through the server's own API."""
    order = {"product": "Teapot", "quantity": 1, "unit_price": "12.50"}
    answer = httpx.post(
        f"{server.url}/api/orders/", json=order, headers=bearer(user), timeout=WAIT_SECONDS
    )
    assert answer.status_code == 201, answer.text


def place_orders(server, user):
    """Some, numbered when this returns; the position where the stream stood before."""
    until_listener(server, "listening")
    start = realtime.current_cursor().position
    for _ in range(TIMES):
        place(server, user)
    wait_until(lambda: realtime.current_cursor().position == start + EVENTS * TIMES)
    return start


def test_with_a_direct_way_for_the_listener_all_is_live(server, alice):
    assert until_listener(server, "listening").status_code == 200
    start = realtime.current_cursor().position
    with open_stream(server, **bearer(alice)) as stream:
        for number in range(TIMES):
            began = time.monotonic()
            place(server, alice)
            assert stream.next_event().id == event_id(start + EVENTS * number + 1)
            # The poll that finds what no hint has told comes every five.
            assert time.monotonic() - began < 1
    assert "Traceback" not in "".join(server.output)


def test_missed_events_are_replayed_through_it(pgbouncer, server, alice):
    start = place_orders(server, alice)
    # Of a process that has none of them in memory.
    with running_server("daphne", DATABASE_URL=pgbouncer) as other:
        for number in range(TIMES):
            position = start + EVENTS * number
            cursor = event_id(position) if position else "0"
            with open_stream(other, cursor=cursor, **bearer(alice)) as stream:
                assert stream.next_event().id == event_id(position + 1)
        assert "Traceback" not in "".join(other.output)


async def test_a_crowd_is_read_for_in_one_round_trip_through_it(pgbouncer, hub):
    start = (await hub.catch_up("default")).position
    for number in range(3):
        await publish("7", number)
    async with asyncio.timeout(WAIT_SECONDS):
        while (tail := await hub.catch_up("default")).position < start + 3:
            pass

    async def parameters():
        return {**direct_parameters(pgbouncer), "prepare_threshold": None}  # as Django's

    replays = Replays(EventLog(WAIT_SECONDS), parameters, WAIT_SECONDS)
    try:
        read = partial(replays.read, "default", after=START, through=tail.cursor)
        for _ in range(3):
            crowd = await asyncio.gather(*(read(following("7")) for _ in range(40)))
            assert {unmarked(replay.chunk).count(b"event: orders") for replay in crowd} == {3}
    finally:
        await replays.close()


def test_the_site_works_through_it(server, shop):
    """Among other things nobody may count on a cursor that lives in a session."""
    Order.objects.bulk_create(
        Order(customer=shop, product="Teapot", quantity=1, unit_price=1) for _ in range(3)
    )
    with signed_in(server, "shop", PASSWORD, "/admin/login/") as browser:
        for page in ("/admin/orders/order/", f"/admin/auth/user/{shop.pk}/change/", "/"):
            for _ in range(TIMES):
                assert browser.get(page).status_code == 200


def test_the_log_is_pruned_through_it(pgbouncer, server, alice):
    place_orders(server, alice)
    subprocess.run(
        [sys.executable, "manage.py", "prune_events", "--keep", "2"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": pgbouncer, "REALTIME_LISTEN_URL": database_url()},
        check=True,
    )
    assert Event.objects.count() == 2


def test_without_it_the_log_says_what_to_set_and_the_poll_finds_events(
    pgbouncer, no_other_process, alice
):
    # It polls each second.
    environment = {"DATABASE_URL": pgbouncer, "DJANGO_SETTINGS_MODULE": "tests.realtime.forgetful"}
    with running_server("daphne", **environment) as server:
        assert until_listener(server, "deaf").status_code == 200
        server.wait_for_output("REALTIME = {'LISTEN_URL': 'postgresql://…'}")
        with open_stream(server, **bearer(alice)) as stream:
            place(server, alice)
            assert stream.next_event().id == event_id(1)
