"""The hub's own sessions, whatever a database administrator has set for everybody else's."""

import asyncio
import logging
from contextlib import aclosing, asynccontextmanager, suppress

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connection, connections
from psycopg import sql

from realtime.hub.hub import Hub
from realtime.log.cursor import START, Cursor
from realtime.postgres.connections import connect, connection_parameters
from realtime.postgres.deadlines import DjangoDeadline, deadline
from tests.realtime.conftest import following, publish
from tests.waiting import soon, until

WAITING = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.fixture
def waiting(elsewhere):
    """How many sessions of the test database wait for a lock."""
    watcher = elsewhere()
    return lambda: watcher.execute(WAITING).fetchone()[0]


@pytest.fixture
def set_for_all(takes_seconds, elsewhere):
    """ALTER DATABASE … SET, undone after the test."""
    session, names = elsewhere(), []

    def change(action: str, name: str, value: str | None = None) -> None:
        statement = sql.SQL("ALTER DATABASE {} {} {}").format(
            sql.Identifier(session.info.dbname), sql.SQL(action), sql.SQL(name)
        )
        session.execute(statement if value is None else statement + sql.SQL(f" = {value}"))

    def set_for_all(name: str, value: str) -> None:
        names.append(name)
        change("SET", name, value)

    yield set_for_all
    # As the database may be read-only by default for this session's successors, but not for it.
    for name in names:
        change("RESET", name)


@asynccontextmanager
async def a_session():
    async with await connect(await connection_parameters("default")) as session:
        yield session


async def test_its_settings_are_its_own(set_for_all, settings, transactional_db):
    settings.REALTIME = {"QUERY_SECONDS": 3.0}
    set_for_all("statement_timeout", "'1s'")
    set_for_all("lock_timeout", "'1ms'")
    set_for_all("idle_session_timeout", "'5s'")
    set_for_all("default_transaction_isolation", "serializable")
    async with a_session() as session:
        for name, wanted in {
            "statement_timeout": "3s",
            "lock_timeout": "0",
            "idle_session_timeout": "0",
            "idle_in_transaction_session_timeout": "3s",
            "default_transaction_isolation": "read committed",
            "client_connection_check_interval": "1s",
        }.items():
            cursor = await session.execute(sql.SQL("SHOW {}").format(sql.Identifier(name)))
            assert await cursor.fetchone() == (wanted,), name


@pytest.mark.parametrize(
    "setting",
    [
        ("lock_timeout", "'1ms'"),
        ("idle_session_timeout", "'500ms'"),
        ("idle_in_transaction_session_timeout", "'1ms'"),
        ("default_transaction_isolation", "serializable"),
        ("default_transaction_isolation", "'repeatable read'"),
    ],
    ids=" = ".join,
)
async def test_a_hub_works_with_what_is_set_for_everybody(
    hub, set_for_all, elsewhere, setting, caplog
):
    await Hub.close_current()
    writer = elsewhere()
    set_for_all(*setting)
    hub = Hub.current()
    async with follow(hub) as chunks:
        for _ in range(3):
            writer.execute(INSERT)
            hub.poll()
            await soon(anext(chunks))
            await asyncio.sleep(0.6)  # idle for longer than one of the settings allows
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


INSERT = (
    "INSERT INTO realtime_outbox (stream, topic, type, data) VALUES ('default', 'test:7', 'x', '1')"
)


@asynccontextmanager
async def follow(hub):
    """The chunks of a stream that has begun, without its opening."""
    cursor = (await hub.catch_up("default")).cursor
    async with aclosing(hub.open_stream("default", following("7"), cursor).chunks()) as chunks:
        await soon(anext(chunks))
        yield chunks


async def test_nothing_stays_in_the_server_of_what_a_hub_hung_up_on(
    hub, elsewhere, settings, waiting
):
    await Hub.close_current()
    settings.REALTIME = {"QUERY_SECONDS": 0.5, "POLL_SECONDS": 0.1}
    hub = Hub.current()
    other = elsewhere()
    async with follow(hub) as chunks:
        with other.transaction():
            other.execute("LOCK TABLE realtime_outbox, realtime_stream, realtime_event")
            await until(lambda: waiting() == 1)
            most = 0
            for _ in range(30):
                await asyncio.sleep(0.1)
                most = max(most, waiting())
            assert most <= 2  # one whose time is up, and its successor
        other.execute(INSERT)
        await soon(anext(chunks))
    await until(lambda: waiting() == 0)


async def test_a_statement_that_we_gave_up_ends_in_the_server(
    settings, elsewhere, waiting, transactional_db
):
    """By the server's own look at the connection: here its time-out would come much later."""
    other = elsewhere()
    with other.transaction():
        other.execute("LOCK TABLE realtime_event")
        async with a_session() as session:
            with pytest.raises(psycopg.OperationalError), deadline(0.3, session):
                await session.execute("SELECT count(*) FROM realtime_event")
        await until(lambda: waiting() == 0)


async def test_a_query_of_django_that_we_gave_up_ends_in_the_server(
    elsewhere, waiting, transactional_db
):
    other = elsewhere()

    def count() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM auth_user")
        finally:
            connections.close_all()

    with other.transaction():
        other.execute("LOCK TABLE auth_user")
        with DjangoDeadline(0.3) as watched, pytest.raises(OperationalError):
            await sync_to_async(watched(count), thread_sensitive=False)()
        await until(lambda: waiting() == 0)


async def test_a_process_that_ends_does_not_blame_the_database(
    elsewhere, waiting, transactional_db, caplog
):
    """What it cuts off then might well have been answered."""
    other = elsewhere()

    def count() -> None:
        try:
            with suppress(OperationalError), connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM auth_user")
        finally:
            connections.close_all()

    async def ask() -> None:
        with DjangoDeadline(60, hang_up_if_cancelled=True) as watched:
            await asyncio.to_thread(watched(count))

    with other.transaction():
        other.execute("LOCK TABLE auth_user")
        asking = asyncio.create_task(ask())
        await until(lambda: waiting() == 1)
        asking.cancel()
        await asyncio.wait([asking])
        await until(lambda: waiting() == 0)
    assert "Hung up" not in caplog.text


async def test_events_that_can_not_be_numbered_now_are_numbered_later(
    hub, set_for_all, elsewhere, caplog
):
    """The database becomes read-only for every session that begins from now on."""
    await Hub.close_current()
    writer = elsewhere()
    writer.execute(INSERT)
    set_for_all("default_transaction_read_only", "on")
    Hub.current()
    await until(lambda: "transactions are read-only" in caplog.text)
    assert "Traceback" not in caplog.text
    assert writer.execute("SELECT count(*) FROM realtime_outbox").fetchone() == (1,)
    set_for_all("default_transaction_read_only", "off")
    for session in writer.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'realtime'"
    ):
        assert session
    await until(lambda: writer.execute("SELECT count(*) FROM realtime_event").fetchone() == (1,))


@pytest.fixture
def role(elsewhere):
    """A role without any privilege, dropped after the test."""
    session = elsewhere()
    session.execute("CREATE ROLE event_clerk")
    yield "event_clerk"
    session.execute("DROP OWNED BY event_clerk")
    session.execute("DROP ROLE event_clerk")


@pytest.fixture
def assumed(role):
    """As OPTIONS: {"assume_role": …} in DATABASES."""
    options = connections["default"].settings_dict.setdefault("OPTIONS", {})
    options["assume_role"] = role
    yield role
    del options["assume_role"]


async def test_a_hub_assumes_the_role_that_django_assumes(hub, assumed, elsewhere, caplog):
    await Hub.close_current()
    owner = elsewhere()
    owner.execute(INSERT)
    async with a_session() as session:
        assert await (await session.execute("SELECT current_user")).fetchone() == (assumed,)
    Hub.current()
    await until(lambda: "lacks a privilege" in caplog.text)
    assert "Traceback" not in caplog.text
    tables = "realtime_outbox, realtime_event, realtime_stream, realtime_pollinglease"
    owner.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO event_clerk")
    await until(lambda: owner.execute("SELECT count(*) FROM realtime_event").fetchone() == (1,))
    await Hub.close_current()  # else it would stand in the way of the role's end


async def test_replays_use_parameters_that_are_asked_for_again(hub, elsewhere, monkeypatch):
    """Such as a password that is valid for a quarter of an hour."""
    backend = type(connections["default"])
    asked = backend.get_connection_params
    name = "first"

    def parameters(self):
        return {**asked(self), "application_name": name}

    monkeypatch.setattr(backend, "get_connection_params", parameters)
    await Hub.close_current()
    hub = Hub.current()
    await publish("7", {"n": 1})

    async def replay() -> None:
        replay = await hub.replays("default").read(
            "default", following("7"), after=START, through=Cursor(1, 7)
        )
        assert replay.cursor.position == 1

    await hub.catch_up("default")
    watcher = elsewhere()

    def named(name: str) -> int:
        statement = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
        return watcher.execute(statement, [name]).fetchone()[0]

    await replay()
    assert named("first") == 3
    name = "second"
    watcher.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'first'"
    )
    await soon(replay())
    await until(lambda: named("second") == 3)
    assert named("first") == 0
