"""What breaks during a storm: nothing is lost, nothing doubled, and an open stream only pauses.

The servers' settings are those of settings.py: a heartbeat and a poll every second, and two
seconds for a query.
"""

import asyncio

from .fleet import SERVERS
from .storm import storm

# Each server has one that listens and one that numbers and reads.
SESSIONS = 2 * SERVERS

TERMINATE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'realtime'
"""


async def test_sessions_of_listeners_and_publishers_are_terminated(fleet):
    async with storm(fleet, "terminated", clients=40, writers=8) as running:
        terminated = 0
        while terminated < 4 * SESSIONS:
            await running.written(20)
            terminated += len(await asyncio.to_thread(fleet.query, TERMINATE))
        await running.written(60)
        await running.writers_finish(at_once=True)
    running.check()
    assert not running.cut_off
    assert running.longest_silence < 4


async def test_postgresql_crashes_and_comes_back(fleet):
    async with storm(fleet, "crashed", clients=40, writers=8) as running:
        for _ in range(2):
            await running.written(100)
            await asyncio.to_thread(fleet.cluster.crash)
            await running.heartbeats(2)
            await asyncio.to_thread(fleet.cluster.start)
        await running.written(100)
        await running.writers_finish(at_once=True)
    running.check()
    # New streams were told to come back; those that were open stayed so, and beat on.
    assert not running.cut_off
    assert set(running.turned_away) <= {503}
    assert running.longest_silence < 4


async def test_the_network_between_a_server_and_the_database_goes_silent(fleet):
    async with storm(fleet, "silent", clients=40, writers=8) as running:
        await running.written(100)
        fleet.proxy.cut()
        await running.heartbeats(4)
        fleet.proxy.heal()
        await running.written(100)
        await running.writers_finish(at_once=True)
    running.check()
    assert not running.cut_off
    assert running.longest_silence < 8


async def test_a_server_is_killed_while_it_publishes(fleet):
    async with storm(fleet, "killed", clients=40, writers=8) as running:
        for server in fleet.servers[:2]:
            await running.written(100)
            await asyncio.to_thread(server.kill)
            await running.written(100)
            await asyncio.to_thread(server.start)
        await running.writers_finish(at_once=True)
    running.check()
    assert running.cut_off


async def test_orders_are_placed_while_no_server_runs(fleet):
    async with storm(fleet, "down", clients=40, writers=8) as running:
        await running.written(100)
        for server in fleet.servers:
            await asyncio.to_thread(server.kill)
        await running.written(300)
        assert await asyncio.to_thread(fleet.waiting) >= 300
        await asyncio.to_thread(fleet.start_servers)
        await running.written(100)
        await running.writers_finish(at_once=True)
    running.check()
    assert running.cut_off
