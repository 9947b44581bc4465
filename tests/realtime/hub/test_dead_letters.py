"""One bad row is set aside by itself, and its neighbours are told.

That every page renders: tests/orders/test_bad_rows.py.
"""

import pytest
from psycopg import sql

from realtime.hub.hub import Hub
from realtime.log.cursor import START
from realtime.log.snapshot import current_cursor
from realtime.models import DeadLetter, OutboxEvent
from tests.realtime.conftest import following, in_thread
from tests.waiting import soon, until

INSERT = """
    INSERT INTO realtime_outbox (stream, topic, type, format, data)
    VALUES ('default', 'test:7', %s, %s, %s)
"""
OF_TABLE = """
    SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid = %s::regclass AND contype = 'c'
"""
GOOD = [("fine", "json", "1"), ("fine", "json", "2"), ("fine", "json", "3")]
BAD = {
    "malformed JSON": ("fine", "json", '{"a":'),
    "a line break in its JSON": ("fine", "json", "1\n"),
    "a carriage return in its text": ("fine", "text", "a\rid: 99-1"),
    "a type that forges another field": ("fine\nid: 99-1", "json", "1"),
    "a type of the stream's own": ("reset", "json", "1"),
    "more data than an event may have": ("fine", "text", "x" * 20_000_000),
    "a format that there isn't": ("fine", "xml", "1"),
}


@pytest.fixture
def session(elsewhere):
    return elsewhere()


@pytest.fixture
def without_constraints(session):
    """Drops what a table's checks refuse; they are put back after the test."""
    dropped = []

    def drop(table):
        for name, definition in session.execute(OF_TABLE, [table]).fetchall():
            alter = sql.SQL("ALTER TABLE {} ").format(sql.Identifier(table))
            constraint = sql.SQL("CONSTRAINT {}").format(sql.Identifier(name))
            session.execute(alter + sql.SQL("DROP ") + constraint)
            dropped.append(alter + sql.SQL("ADD ") + constraint + sql.SQL(definition))

    yield drop
    session.execute("TRUNCATE realtime_outbox, realtime_event, realtime_stream")
    for add in dropped:
        session.execute(add)


def write(session, *rows):
    for row in rows:
        session.execute(INSERT, row)


async def told(hub, count):
    """All that a stream from the beginning tells, up to so many events."""
    text = b""
    async with hub.open_stream("default", following("7"), START) as stream:
        async for chunk in stream.chunks():
            text += chunk
            if text.count(b"event: fine\n") >= count:
                return text.decode()
    raise AssertionError("The stream ended.")


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
async def test_its_neighbours_in_the_same_stream_are_told(
    hub, session, without_constraints, caplog, bad
):
    without_constraints("realtime_outbox")
    write(session, GOOD[0], bad, GOOD[1])
    [(bad_id,)] = session.execute("SELECT min(id) + 1 FROM realtime_outbox").fetchall()
    hub.poll()
    await until(lambda: session.execute("SELECT count(*) FROM realtime_event").fetchone() == (2,))
    write(session, GOOD[2])
    hub.poll()
    text = await soon(told(hub, 3))
    assert [line for line in text.splitlines() if line.startswith("data: ")][-3:] == [
        "data: 1",
        "data: 2",
        "data: 3",
    ]
    assert "99-1" not in text
    [letter] = await in_thread(lambda: list(DeadLetter.objects.all()))
    assert (letter.outbox_id, letter.type, letter.data) == (bad_id, bad[0], bad[2])
    assert f"Set aside the event with id {bad_id} of the stream 'default'" in caplog.text
    assert "stands still" not in caplog.text
    assert await in_thread(OutboxEvent.objects.count) == 0


async def test_one_that_a_trigger_refuses_is_set_aside_too(hub, session, caplog):
    """Constraints can't hold what somebody else forbids."""
    session.execute(
        """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'no threes'; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON realtime_event
        FOR EACH ROW WHEN (NEW.data = '3') EXECUTE FUNCTION refuse()
        """
    )
    try:
        write(session, *GOOD, *GOOD)
        hub.poll()
        kept = "SELECT count(*) FROM realtime_event"
        await until(lambda: session.execute(kept).fetchone() == (4,))
        assert caplog.text.count("no threes") == 2
    finally:
        session.execute("DROP FUNCTION refuse CASCADE")


async def test_of_many_together_some_are_named_and_the_others_counted(
    hub, session, without_constraints, caplog
):
    without_constraints("realtime_outbox")
    write(session, *[BAD["malformed JSON"]] * 25, GOOD[0])
    hub.poll()
    await until(lambda: session.execute("SELECT count(*) FROM realtime_event").fetchone() == (1,))
    assert caplog.text.count("Set aside the event") == 20
    assert "5 more events of the stream 'default' were set aside" in caplog.text


def test_a_page_has_set_aside_what_keeps_it_from_numbering(
    transactional_db, session, without_constraints, caplog
):
    """On a WSGI server there is nobody else to do it."""
    without_constraints("realtime_outbox")
    write(session, GOOD[0], BAD["malformed JSON"], GOOD[1])
    assert current_cursor("default").position == 2
    assert "Set aside the event" in caplog.text


async def test_what_is_in_the_log_and_can_not_be_sent_is_left_out(
    hub, session, without_constraints, caplog
):
    """Nothing is held by any constraint, so it has got its number."""
    without_constraints("realtime_outbox")
    without_constraints("realtime_event")
    write(session, GOOD[0], BAD["a type that forges another field"], GOOD[1])
    hub.poll()
    await until(lambda: session.execute("SELECT count(*) FROM realtime_event").fetchone() == (3,))
    text = await soon(told(hub, 2))  # from the table
    assert "99-1" not in text
    await hub.catch_up("default")
    async with hub.open_stream("default", following("7"), START) as stream:
        chunks = stream.chunks()
        await soon(anext(chunks))
        write(session, BAD["a carriage return in its text"], GOOD[2])
        hub.poll()
        await until(lambda: hub.tail("default").position == 5)
    assert "at position 2 of the stream 'default'" in caplog.text
    assert "at position 5" not in caplog.text
    await Hub.close_current()
