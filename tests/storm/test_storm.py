"""Sixteen writers, three server processes, a hundred clients that come and go."""

from .storm import storm


async def test_each_client_gets_exactly_what_is_meant_for_it(fleet):
    async with storm(fleet, "storm", clients=100, writers=16, events=120) as running:
        await running.writers_finish()
    running.check()
    assert running.reconnects > 100
    assert not running.cut_off
    assert not running.turned_away
