"""A database that acknowledges and never answers: TCP notices nothing, so the processes have to."""

import asyncio
import random
import time

import pytest

from realtime import EVERYTHING
from realtime.conf import DEFAULTS
from realtime.exceptions import DatabaseUnavailable
from realtime.hub.hub import Hub
from realtime.log.cursor import START, Cursor
from realtime.postgres.connections import direct_parameters

from ..waiting import wait_until
from .clients import Client, connected, each_until
from .fleet import DATABASE

QUERY_SECONDS = 1
REQUESTS = DEFAULTS["REQUEST_THREADS"]
LOCK_ACCOUNTS = "BEGIN; LOCK TABLE auth_user IN ACCESS EXCLUSIVE MODE"


@pytest.fixture
async def hub(fleet, settings, monkeypatch):
    """A hub of this process, whose way to the fleet's database leads through the proxy."""

    async def through_the_proxy(alias):
        return direct_parameters(fleet.cluster.url(DATABASE, fleet.proxy.port))

    settings.REALTIME = {**settings.REALTIME, "QUERY_SECONDS": QUERY_SECONDS, "POLL_SECONDS": 0.2}
    monkeypatch.setattr("realtime.hub.log_follower.connection_parameters", through_the_proxy)
    yield Hub.current()
    await Hub.close_current()


@pytest.fixture
def proxy(fleet):
    yield fleet.proxy
    fleet.proxy.heal()


async def test_the_hub_gives_up_a_connection_and_takes_a_new_one(hub, proxy):
    await hub.catch_up("default")
    proxy.cut()
    with pytest.raises(DatabaseUnavailable):
        await hub.catch_up("default")
    proxy.heal()
    async with asyncio.timeout(10):
        while True:
            try:
                return await hub.catch_up("default")
            except DatabaseUnavailable:
                continue


async def test_a_replay_gives_up_a_pooled_connection_that_has_gone_silent(hub, proxy):
    await hub.replays("default").read("default", EVERYTHING, after=START, through=Cursor(1, 7))
    proxy.cut()
    began = time.monotonic()
    async with asyncio.timeout(10):
        with pytest.raises(DatabaseUnavailable):
            await hub.replays("default").read(
                "default", EVERYTHING, after=START, through=Cursor(1, 7)
            )
    assert time.monotonic() - began < 3 * QUERY_SECONDS
    proxy.heal()
    async with asyncio.timeout(10):
        await hub.replays("default").read("default", EVERYTHING, after=START, through=Cursor(1, 7))


@pytest.fixture
def accounts_locked(fleet):
    """Queries of accounts wait until this session is closed."""
    with fleet.cluster.connect(DATABASE) as session:
        session.execute(LOCK_ACCOUNTS)
        yield session


QUERIES_THAT_WAIT = """
    SELECT count(*) FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND strpos(query, 'auth_user') > 0
"""


async def queries_wait(fleet, count):
    """Until so many queries of accounts wait for the lock."""

    with fleet.cluster.connect(DATABASE) as session:
        await asyncio.to_thread(
            wait_until, lambda: session.execute(QUERIES_THAT_WAIT).fetchone()[0] >= count
        )


async def test_a_request_that_waits_for_a_silent_database_is_answered(
    fleet, proxy, accounts_locked
):
    """It holds one of few threads: if all wait for ever, the process takes no more streams."""
    clients = [through_the_proxy(fleet, person) for person in fleet.customers[:REQUESTS]]
    async with connected(clients):
        await queries_wait(fleet, REQUESTS)
        proxy.cut()
        accounts_locked.close()
        await each_until(clients, lambda client: client.turned_away, 20)
        proxy.heal()
        await each_until(clients, lambda client: client.opened, 20)


async def test_access_still_ends_after_a_look_at_it_that_a_silent_database_held_up(
    fleet, proxy, accounts_locked
):
    person = fleet.customers[-1]
    client = through_the_proxy(fleet, person)
    set_active = "UPDATE auth_user SET is_active = %s WHERE id = %s RETURNING id"
    accounts_locked.execute("ROLLBACK")
    async with connected([client]):
        await each_until([client], lambda client: client.opened, 10)
        accounts_locked.execute(LOCK_ACCOUNTS)
        await queries_wait(fleet, 1)
        proxy.cut()
        accounts_locked.close()
        proxy.heal()
        user = int(person.topic.removeprefix("auth.user:"))
        try:
            await asyncio.to_thread(fleet.query, set_active, False, user)
            await each_until([client], lambda client: client.cut_off, 20)
        finally:
            await asyncio.to_thread(fleet.query, set_active, True, user)


def through_the_proxy(fleet, person):
    return Client(person, fleet.servers[-1:], random.Random(0), cursor=fleet.cursor())
