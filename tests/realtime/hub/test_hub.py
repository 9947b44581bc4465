"""The hub when hints are lost and connections die."""

import asyncio
import gc
import logging
from contextlib import aclosing, asynccontextmanager

import pytest
from psycopg import sql

from realtime.hub.hub import Hub
from realtime.log import event_log, wire
from realtime.log.cursor import START, Cursor
from tests.realtime.conftest import following, publish, unmarked
from tests.servers import database_url
from tests.waiting import soon, until

pytestmark = pytest.mark.usefixtures("hub")


INSERT_WITHOUT_A_HINT = """
    INSERT INTO realtime_outbox (stream, topic, type, data)
    VALUES ('default', 'test:7', 'orders', '1')
"""


@asynccontextmanager
async def open_stream(hub):
    """The chunks of a stream that has begun."""
    cursor = (await hub.catch_up("default")).cursor
    async with aclosing(hub.open_stream("default", following("7"), cursor).chunks()) as chunks:
        await soon(anext(chunks))
        yield chunks


async def test_a_lost_hint_is_found_by_looking(hub, elsewhere):
    async with open_stream(hub) as chunks:
        elsewhere().execute(INSERT_WITHOUT_A_HINT)
        hub.poll()
        assert unmarked(await soon(anext(chunks))) == wire.event(Cursor(1, None), "orders", "1")


async def test_it_looks_every_few_seconds_by_itself(elsewhere, settings):
    await Hub.close_current()
    settings.REALTIME = {**settings.REALTIME, "POLL_SECONDS": 0.1}
    async with open_stream(Hub.current()) as chunks:
        elsewhere().execute(INSERT_WITHOUT_A_HINT)
        assert unmarked(await soon(anext(chunks))) == wire.event(Cursor(1, None), "orders", "1")


async def test_it_looks_however_busy_it_is(elsewhere, settings):
    await Hub.close_current()
    settings.REALTIME = {**settings.REALTIME, "POLL_SECONDS": 0.1}
    hub = Hub.current()
    async with open_stream(hub) as chunks, asyncio.TaskGroup() as group:

        async def keep_busy():
            while True:
                await hub.catch_up("imports")

        busy = group.create_task(keep_busy())
        elsewhere().execute(INSERT_WITHOUT_A_HINT)
        assert unmarked(await soon(anext(chunks))) == wire.event(Cursor(1, None), "orders", "1")
        busy.cancel()


async def test_it_looks_though_it_is_never_done(settings, monkeypatch):
    await Hub.close_current()
    settings.REALTIME = {**settings.REALTIME, "POLL_SECONDS": 0.1}
    hub = Hub.current()
    turn, poll, looks = hub.home._turn, hub.home._poll, []

    async def find_more_to_do(connection):
        await turn(connection)
        await asyncio.sleep(0)
        hub.home._work_due.set()

    async def look(*arguments):
        looks.append(arguments)
        await poll(*arguments)

    monkeypatch.setattr(hub.home, "_turn", find_more_to_do)
    monkeypatch.setattr(hub.home, "_poll", look)
    # The first is at its beginning, and perhaps another when it begins to listen.
    await until(lambda: len(looks) >= 4)


@pytest.mark.parametrize("victims", [["listen"], ["work"], ["listen", "work"]])
async def test_when_a_connection_dies_nothing_is_lost(hub, elsewhere, victims, caplog):
    admin = elsewhere()

    def pids():
        return admin.execute(
            "SELECT pid, query ~ '^(LISTEN|UNLISTEN|SELECT$)' FROM pg_stat_activity "
            "WHERE application_name = 'realtime' AND datname = current_database()"
        ).fetchall()

    async with open_stream(hub) as chunks:
        await until(lambda: {listens for _, listens in pids()} == {True, False})
        for pid, listens in pids():
            if ("listen" if listens else "work") in victims:
                admin.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
        await publish("7", 1)
        assert unmarked(await soon(anext(chunks))) == wire.event(Cursor(1, None), "orders", "1")
    assert "Lost the connection" in caplog.text


async def test_events_whose_numbers_are_given_as_the_connection_ends_are_told(
    hub, monkeypatch, caplog
):
    """Neither the answer nor the hint comes, and they don't wait for the next poll."""
    ending = event_log.NUMBER_AND_READ.replace(
        "pg_notify(%(channel)s, current_setting('realtime.published'))",
        "pg_terminate_backend(pg_backend_pid()), %(channel)s",
    )
    assert ending != event_log.NUMBER_AND_READ
    async with open_stream(hub) as chunks:
        with monkeypatch.context() as patch:
            patch.setattr(event_log, "NUMBER_AND_READ", ending)
            await publish("7", 1)
            await until(lambda: "Lost the connection to number and read" in caplog.text)
        assert unmarked(await soon(anext(chunks))) == wire.event(Cursor(1, None), "orders", "1")
        await publish("7", 2)
        assert unmarked(await soon(anext(chunks))) == wire.event(Cursor(2, None), "orders", "2")


async def test_a_listener_that_hears_nothing_says_what_to_do(hub, settings, monkeypatch, caplog):
    """As behind PgBouncer in transaction mode, or with a URL that names another database."""
    monkeypatch.setattr("realtime.postgres.listener.PROBE_SECONDS", 0.5)
    await Hub.close_current()
    settings.REALTIME = {**settings.REALTIME, "LISTEN_URL": database_url(dbname="postgres")}
    with caplog.at_level(logging.ERROR, "realtime"):
        Hub.current()
        await until(lambda: "LISTEN_URL" in caplog.text)


async def test_closing_leaves_no_task_and_no_session_behind(hub, elsewhere):
    await hub.catch_up("default")
    await hub.replays("default").read("default", following("7"), after=START, through=START)
    await Hub.close_current()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    sessions = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE application_name = 'realtime' AND datname = current_database()"
    )
    admin = elsewhere()
    await until(lambda: admin.execute(sessions).fetchone() == (0,))


@pytest.fixture
async def silent_server():
    """Lets everybody in and says nothing: its port, and who has come and left."""
    visits = asyncio.Queue()

    async def let_in(reader, writer):
        visits.put_nowait("came")
        await reader.read()
        visits.put_nowait("left")
        writer.close()

    server = await asyncio.start_server(let_in, "127.0.0.1")
    yield server.sockets[0].getsockname()[1], visits
    server.close()
    await server.wait_closed()


async def test_closing_while_it_connects_leaves_nothing_to_the_garbage_collector(
    silent_server, settings
):
    port, visits = silent_server
    await Hub.close_current()
    settings.REALTIME = {**settings.REALTIME, "LISTEN_URL": f"host=127.0.0.1 port={port}"}
    gc.disable()
    try:
        Hub.current()
        assert await soon(visits.get()) == "came"
        await Hub.close_current()
        assert await soon(visits.get()) == "left"
    finally:
        gc.enable()


@pytest.fixture
def numbered_at(elsewhere):
    """The isolation levels of the transactions that number events; the default is another one."""
    admin = elsewhere()
    database = sql.Identifier(admin.info.dbname)
    statement = "ALTER DATABASE {} SET default_transaction_isolation TO 'repeatable read'"
    admin.execute(sql.SQL(statement).format(database))
    admin.execute("""
        CREATE TABLE levels (level text);
        CREATE FUNCTION note_level() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                INSERT INTO levels SELECT current_setting('transaction_isolation');
                RETURN NULL;
            END $$;
        CREATE TRIGGER note_level AFTER INSERT ON realtime_event
            FOR EACH ROW EXECUTE FUNCTION note_level();
    """)
    yield lambda: [level for (level,) in admin.execute("SELECT level FROM levels")]
    admin.execute("DROP TRIGGER note_level ON realtime_event")
    admin.execute("DROP FUNCTION note_level()")
    admin.execute("DROP TABLE levels")
    admin.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(database))


async def test_it_numbers_at_read_committed_whatever_the_default_is(numbered_at):
    await Hub.close_current()
    async with open_stream(Hub.current()) as chunks:
        await publish("7", 1)
        assert unmarked(await soon(anext(chunks))) == wire.event(Cursor(1, None), "orders", "1")
    assert numbered_at() == ["read committed"]


async def test_a_tail_that_nobody_follows_is_forgotten(hub):
    await hub.catch_up("default")
    hub.poll()
    await until(lambda: hub.tail("default") is None)


async def test_a_backlog_is_numbered_in_batches(hub, monkeypatch):
    monkeypatch.setattr("realtime.log.event_log.NUMBER_ROWS", 10)
    monkeypatch.setattr(
        "realtime.log.polling_lease.REST_SECONDS", (60.0, 60.0)
    )  # no time for a rest
    text = b""
    async with open_stream(hub) as chunks, asyncio.timeout(10):
        await publish("7", *range(95))
        while text.count(b"event:") < 95:
            text += unmarked(await anext(chunks))
    assert text == b"".join(wire.event(Cursor(n + 1, None), "orders", str(n)) for n in range(95))


async def test_it_starts_where_the_log_stands(hub):
    await publish("7", 1, 2)
    async with asyncio.timeout(10):
        while (await hub.catch_up("default")).position < 2:
            pass
    await Hub.close_current()
    assert (await Hub.current().catch_up("default")).position == 2
