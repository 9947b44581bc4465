"""Events written without Python: by the function for them, by triggers, by plain rows."""

import psycopg
import pytest

from realtime.log.notifications import PENDING_CHANNEL

ROW = {
    "stream": "orders",
    "topic": "public",
    "type": "",
    "format": "json",
    "data": "1",
    "key": "",
}


@pytest.fixture
def session(elsewhere):
    return elsewhere()


@pytest.fixture
def outbox(elsewhere):
    other = elsewhere()
    statement = "SELECT stream, topic, type, format, data, key FROM realtime_outbox ORDER BY id"
    return lambda: other.execute(statement).fetchall()


def insert(session, **values):
    row = {**ROW, **values}
    session.execute(
        "INSERT INTO realtime_outbox (stream, topic, type, format, data, key) "
        "VALUES (%(stream)s, %(topic)s, %(type)s, %(format)s, %(data)s, %(key)s)",
        row,
    )


@pytest.fixture
def listener(elsewhere):
    """A session that hears of events that wait."""
    session = elsewhere()
    session.execute(f"LISTEN {PENDING_CHANNEL}")
    return session


def test_the_function_writes_an_event_and_hints_at_it(session, outbox, listener):
    session.execute(
        """SELECT realtime_publish('documents.document:7', '{"title":"New"}', type => 'changed')"""
    )
    session.execute(
        "SELECT realtime_publish('public', E'<p>\\n</p>', format => 'text', stream => 'orders',"
        " latest => 'page', hint => false)"
    )
    assert outbox() == [
        ("default", "documents.document:7", "changed", "json", '{"title":"New"}', ""),
        ("orders", "public", "", "text", "<p>\n</p>", "page"),
    ]
    assert [hint.payload for hint in listener.notifies(timeout=5, stop_after=1)] == ["default"]
    assert list(listener.notifies(timeout=0.2)) == []


def test_while_somebody_polls_the_stream_the_function_hints_nothing(session, listener):
    session.execute(
        "INSERT INTO realtime_pollinglease VALUES ('default', clock_timestamp() + interval '1 min')"
    )
    session.execute("SELECT realtime_publish('public', '1')")
    session.execute("SELECT realtime_publish('public', '1', stream => 'orders')")
    assert [hint.payload for hint in listener.notifies(timeout=5, stop_after=1)] == ["orders"]


def test_a_lease_that_a_clock_set_back_has_made_long_is_not_relied_on(session, listener):
    session.execute(
        "INSERT INTO realtime_pollinglease VALUES ('default', clock_timestamp() + interval '1 day')"
    )
    session.execute("SELECT realtime_publish('public', '1')")
    assert [hint.payload for hint in listener.notifies(timeout=5, stop_after=1)] == ["default"]


def test_a_trigger_publishes_what_a_table_says(session, outbox):
    session.execute(
        """
        CREATE TABLE jobs (id int, percent int);
        CREATE FUNCTION publish_job() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                PERFORM realtime_publish(
                    'jobs.job:' || new.id, json_build_object('percent', new.percent)::text,
                    type => 'progress', latest => 'progress'
                );
                RETURN NULL;
            END $$;
        CREATE TRIGGER publish_job AFTER INSERT OR UPDATE ON jobs
            FOR EACH ROW EXECUTE FUNCTION publish_job();
        """
    )
    try:
        session.execute("INSERT INTO jobs VALUES (7, 10)")
        assert outbox() == [
            ("default", "jobs.job:7", "progress", "json", '{"percent" : 10}', "progress")
        ]
    finally:
        session.execute("DROP TABLE jobs; DROP FUNCTION publish_job()")


@pytest.mark.parametrize(
    "values",
    [
        {"data": '{"a":\n1}'},
        {"data": '"a\rb"'},
        {"data": "{malformed"},
        {"data": ""},
        {"format": "text", "data": "a\r\nb"},
        {"format": "text", "data": "x" * 16_777_217},
        {"format": "html"},
        {"type": "a\nid: 9"},
        {"type": "a\rb"},
        {"type": "x" * 101},
        {"type": "reset"},
        {"type": "error"},
        {"topic": ""},
        {"topic": "a\nb"},
        {"topic": "x" * 201},
        {"stream": ""},
        {"stream": "a\nb"},
        {"key": "a\nb"},
    ],
    ids=lambda values: " ".join(values),
)
def test_what_can_not_be_sent_is_no_row(session, values):
    with pytest.raises((psycopg.IntegrityError, psycopg.DataError)):
        insert(session, **values)


@pytest.mark.parametrize("values", [{}, {"format": "text", "data": "a\nb"}, {"data": '"\\u0000"'}])
def test_what_can_be_sent_is_one(session, outbox, values):
    insert(session, **values)
    assert outbox() == [tuple({**ROW, **values}.values())]
