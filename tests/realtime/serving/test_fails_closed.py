"""What can't be verified isn't told, whatever the reason; and a restart ends nobody's stream."""

import asyncio

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError
from django.db.backends.postgresql.base import DatabaseWrapper

from realtime.hub import access_monitor
from tests.clients import bearer
from tests.realtime.conftest import in_thread, publish
from tests.waiting import until

# How long an access may go unverified here, and what is left for a busy machine.
PROMISED_SECONDS = 4.0

SECRETS = 10

END_THE_HUBS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'realtime'
"""
# Known by what it has asked last.
END_THE_MONITORS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE 'SELECT "auth_user"%'
"""


@pytest.fixture(autouse=True)
def ten_times_as_fast(takes_seconds, settings, monkeypatch):
    """As in production but for that, and nothing is notified."""
    settings.ROOT_URLCONF = "tests.realtime.serving.urls"
    settings.REALTIME = {**settings.REALTIME, "ACCESS_CHECK_SECONDS": 0.5}
    monkeypatch.setattr(access_monitor, "CLOCK_SECONDS", 0.1)
    monkeypatch.setattr(access_monitor, "LATE_SECONDS", 2.0)
    monkeypatch.setattr(access_monitor, "NOTIFIED_SECONDS", 0.5)
    monkeypatch.setattr(access_monitor.AccessMonitor, "hear", lambda self, payload: None)


@pytest.fixture
async def verified(hub):
    """Waits until the monitor has looked at what is open, and has its connection."""

    async def verified():
        monitor = hub.access_monitor
        await until(lambda: hub.home.state.listening_since is not None)
        monitor._verified.clear()
        monitor.check_all()
        await until(monitor._verified.is_set)

    return verified


def deactivate(user):
    """Behind Django's back: nothing tells of it."""
    get_user_model().objects.filter(pk=user.pk).update(is_active=False)


def refuse_connections(monkeypatch):
    """Django gets no new connection any more, as when PostgreSQL has as many as it may have."""

    def refused(self, parameters):
        raise OperationalError("FATAL:  sorry, too many clients already")

    monkeypatch.setattr(DatabaseWrapper, "get_new_connection", refused)


async def gets_no_secret(answer, publish_secret):
    """Within the promised time the stream ends, and then nothing that is published reaches it."""
    await until(lambda: not answer.messages[-1]["more_body"], PROMISED_SECONDS)
    for number in range(SECRETS):
        await publish_secret(f"secret {number}")
    await asyncio.sleep(0.3)
    assert b"secret" not in answer.body
    assert not answer.messages[-1]["more_body"]


async def test_where_no_connection_is_to_be_had_the_one_kept_is_enough(
    ask, alice, verified, monkeypatch, elsewhere
):
    session = elsewhere()
    async with ask(headers=bearer(alice)) as answer:
        await verified()
        await in_thread(deactivate, alice)
        refuse_connections(monkeypatch)

        async def publish_secret(text):
            monkeypatch.undo()
            await publish(alice, text)

        await until(lambda: not answer.messages[-1]["more_body"])
        # It was found out, so it is no “come back later”.
        assert not answer.body.splitlines()[-2].startswith(b"retry: ")
        await gets_no_secret(answer, publish_secret)
    session.close()


async def test_without_any_connection_the_stream_asks_to_come_back(
    ask, alice, verified, monkeypatch, elsewhere, hub
):
    """The hub's own connections live on, so its events would go on, too."""
    session = elsewhere()
    async with ask(headers=bearer(alice)) as answer:
        await verified()
        await in_thread(deactivate, alice)
        with monkeypatch.context() as patched:
            refuse_connections(patched)
            session.execute(END_THE_MONITORS)
            await until(lambda: not answer.messages[-1]["more_body"])
            assert answer.body.splitlines()[-2].startswith(b"retry: ")
        await gets_no_secret(answer, lambda text: publish(alice, text))


@pytest.mark.parametrize(
    "statement",
    [
        "LOCK TABLE auth_user IN ACCESS EXCLUSIVE MODE",
        # A role that may no longer read it looks the same.
        "ALTER TABLE auth_user RENAME TO auth_users",
    ],
)
async def test_where_the_users_can_not_be_read_the_stream_asks_to_come_back(
    ask, alice, verified, elsewhere, settings, statement
):
    session = elsewhere()
    async with ask(headers=bearer(alice)) as answer:
        await verified()
        await in_thread(deactivate, alice)
        with session.transaction(force_rollback=True):
            session.execute(statement)
            await until(lambda: not answer.messages[-1]["more_body"])
            assert answer.body.splitlines()[-2].startswith(b"retry: ")
            await gets_no_secret(answer, lambda text: publish(alice, text))


def starting_up(hub):
    """As after a restart, the hub gets no new connection until what this returns is called."""
    connections = hub.home._working, hub.home._listening
    parameters = hub.home._working._parameters

    async def away():
        raise OperationalError("the database system is starting up")

    def come_back():
        for connection in connections:
            connection._parameters = parameters

    for connection in connections:
        connection._parameters = away
    return come_back


async def test_a_restart_of_the_database_ends_nobodys_stream(
    ask, alice, verified, elsewhere, hub, monkeypatch
):
    """It is away for longer than an access may go unverified; then it is verified first of all."""
    session = elsewhere()
    async with ask(headers=bearer(alice)) as answer:
        await verified()
        come_back = starting_up(hub)
        with monkeypatch.context() as patched:
            refuse_connections(patched)
            session.execute(END_THE_MONITORS)
            session.execute(END_THE_HUBS)
            await until(lambda: hub.home.away is not None)
            await asyncio.sleep(PROMISED_SECONDS)
        come_back()
        await until(lambda: hub.home.away is None)
        await publish(alice, "after the restart")
        await until(lambda: b"after the restart" in answer.body)


async def test_who_was_deactivated_during_a_restart_is_told_nothing_after_it(
    ask, alice, verified, elsewhere, hub, monkeypatch
):
    session = elsewhere()
    async with ask(headers=bearer(alice)) as answer:
        await verified()
        come_back = starting_up(hub)
        session.execute(END_THE_HUBS)
        await until(lambda: hub.home.away is not None)
        with monkeypatch.context() as patched:
            patched.setattr(hub.access_monitor, "_verify_batch", None)  # nor does this get through
            await in_thread(deactivate, alice)
            await publish(alice, "secret")
            await asyncio.sleep(PROMISED_SECONDS)
            come_back()
            await until(lambda: not answer.messages[-1]["more_body"])
        assert b"secret" not in answer.body
