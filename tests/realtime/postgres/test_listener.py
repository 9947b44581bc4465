"""The listener, on a connection of its own."""

import asyncio

import psycopg
import pytest

from realtime.postgres.connections import direct_parameters
from realtime.postgres.listener import Listener
from tests.servers import database_url
from tests.waiting import soon, until

CHANNEL = "realtime_test"


@pytest.fixture
async def listen(transactional_db):
    """Begins to listen; gives the payloads that are heard, and the task that hears them."""

    async def sender():
        return direct_parameters(database_url())

    tasks = []

    async def listen(silence_seconds):
        heard, listening = [], asyncio.Event()
        listener = Listener(
            [CHANNEL],
            hear=lambda channel, payload: heard.append(payload),
            listening=listening.set,
            sender=sender,
            silence_seconds=silence_seconds,
            query_seconds=10,
        )

        async def run():
            connection = await psycopg.AsyncConnection.connect(database_url(), autocommit=True)
            try:
                await listener.listen(connection)
            finally:
                await connection.close()

        task = asyncio.create_task(run())
        tasks.append(task)
        await soon(listening.wait())
        return heard, task

    yield listen
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("silence_seconds", [3600, 0])
async def test_it_hears_each_notification_once_beside_answers_too(
    listen, elsewhere, silence_seconds
):
    """With 3600 nothing else is read from the connection, with 0 it asks without a pause."""
    heard, _ = await listen(silence_seconds)
    said = [str(number) for number in range(200)]
    sender = elsewhere()
    for payload in said:
        sender.execute("SELECT pg_notify(%s, %s)", [CHANNEL, payload])
        await asyncio.sleep(0)
    await until(lambda: len(heard) >= len(said))
    assert heard == said


async def test_it_ends_with_its_connection(listen, elsewhere):
    _, task = await listen(3600)
    elsewhere().execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
        " AND datname = current_database()"
    )
    with pytest.raises(psycopg.OperationalError):
        await soon(task)
