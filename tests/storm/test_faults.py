"""What breaks during a storm: nothing is lost, nothing doubled, and an open stream only pauses.

The short runs are in a hurry, see settings.py: a heartbeat and a poll every second, and two
seconds for a query.
"""

import asyncio

import pytest

from .fleet import SERVERS
from .storm import Storm, storm

CLIENTS = 25
# Each server has one that listens and one that numbers and reads.
SESSIONS = 2 * SERVERS

TERMINATE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'realtime'
"""


async def terminate_sessions(running: Storm) -> None:
    """pg_terminate_backend on all that listen and publish, again and again."""
    terminated = 0
    async with asyncio.timeout(30):
        while terminated < 4 * SESSIONS:
            await running.written(20)
            terminated += len(await asyncio.to_thread(running.fleet.query, TERMINATE))


async def crash_postgresql(running: Storm) -> None:
    """Twice, each time for so long that every stream hears heartbeats meanwhile."""
    await running.written(50)
    for _ in range(2):
        await asyncio.to_thread(running.fleet.cluster.crash)
        await running.heartbeats(2)
        await asyncio.to_thread(running.fleet.cluster.start)
        await running.written(50)
        await running.caught_up()


async def cut_the_network(running: Storm, *, heartbeats: int) -> None:
    """Between the last server and the database, without a reset."""
    await running.written(50)
    await running.caught_up()  # a watcher that has heard nothing yet shows no pause
    running.fleet.proxy.cut()
    await running.heartbeats(heartbeats)
    running.fleet.proxy.heal()
    await running.written(50)
    await running.caught_up()


async def kill_servers(running: Storm, count: int) -> None:
    """One after the other by SIGKILL, while events are published."""
    for server in running.fleet.servers[:count]:
        await running.written(50)
        await asyncio.to_thread(server.kill)
        await running.written(50)
        await asyncio.to_thread(server.start)


async def kill_all_servers(running: Storm) -> None:
    """So that orders are placed while none runs."""
    await running.written(50)
    for server in running.fleet.servers:
        await asyncio.to_thread(server.kill)
    await running.written(300)
    assert await asyncio.to_thread(running.fleet.waiting) >= 300


async def calm_down(running: Storm) -> None:
    await running.written(20)
    await running.writers_finish(at_once=True)


async def test_sessions_that_listen_and_publish_are_terminated(fleet):
    async with storm(fleet, "terminated", clients=CLIENTS, writers=8) as running:
        await terminate_sessions(running)
        await calm_down(running)
    running.check()
    assert not running.cut_off
    assert all(watcher.longest_pause < 4 for watcher in running.watchers)


async def test_postgresql_crashes_and_comes_back(fleet):
    async with storm(fleet, "crashed", clients=CLIENTS, writers=8, pause=0.1) as running:
        await crash_postgresql(running)
        await calm_down(running)
    running.check()
    # New streams were told to come back; those that were open stayed so, and beat on.
    assert not running.cut_off
    assert set(running.turned_away) == {503}
    assert running.longest_silence < 4
    assert all(watcher.longest_pause < 8 for watcher in running.watchers)


async def test_the_network_between_a_server_and_the_database_goes_silent(fleet):
    async with storm(fleet, "silent", clients=CLIENTS, writers=8, pause=0.1) as running:
        await cut_the_network(running, heartbeats=3)
        await calm_down(running)
    running.check()
    assert not running.cut_off
    assert set(running.turned_away) <= {503}
    assert running.longest_silence < 4
    *others, behind = running.watchers
    assert all(watcher.longest_pause < 2 for watcher in others)
    # Three heartbeats without a network, and a few seconds until a new connection is there.
    assert 2 < behind.longest_pause < 12


async def test_a_server_is_killed_while_it_publishes_and_then_all_while_orders_are_placed(fleet):
    async with storm(fleet, "killed", clients=CLIENTS, writers=8) as running:
        await kill_servers(running, 1)
        await running.caught_up()
        killed, *spared = running.watchers
        assert killed.opened == 2
        assert not any(watcher.cut_off for watcher in spared)
        assert all(watcher.longest_pause < 4 for watcher in spared)
        await kill_all_servers(running)
        # Nobody writes any more, so no hint tells the new processes what waits for them.
        await running.writers_finish(at_once=True)
        await asyncio.to_thread(fleet.start_servers)
    running.check()
    assert killed.opened == 3
    assert all(watcher.opened == 2 for watcher in spared)


@pytest.mark.slow
async def test_all_of_it_during_one_storm(fleet_as_shipped):
    async with storm(fleet_as_shipped, "faults", clients=100, writers=16) as running:
        await terminate_sessions(running)
        await crash_postgresql(running)
        await cut_the_network(running, heartbeats=2)
        await kill_servers(running, 2)
        await kill_all_servers(running)
        await asyncio.to_thread(fleet_as_shipped.start_servers)
        await calm_down(running)
    running.check()
    assert set(running.turned_away) <= {503}
