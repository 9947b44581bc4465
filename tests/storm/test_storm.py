"""Sixteen writers, three server processes, and clients that come and go."""

import pytest

from .storm import storm


async def test_each_client_gets_exactly_what_is_meant_for_it(fleet):
    async with storm(fleet, "storm", clients=60, writers=16, events=30) as running:
        await running.writers_finish()
    running.check()
    assert running.reconnects > 60
    assert not running.cut_off
    assert not running.turned_away


@pytest.mark.slow
async def test_it_does_so_with_50_000_events(fleet_as_shipped):
    async with storm(
        fleet_as_shipped, "long storm", clients=100, writers=16, events=3300, pause=0.0
    ) as running:
        await running.writers_finish()
    running.check()
    assert len(running.events) >= 50_000
    assert not running.cut_off
    assert not running.turned_away
