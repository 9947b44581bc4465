"""The cursor for a page, in processes that follow no stream."""

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, transaction

import realtime
from realtime import PUBLIC
from realtime.log.notifications import PUBLISHED_CHANNEL
from realtime.models import Event, OutboxEvent

pytestmark = pytest.mark.django_db(transaction=True)


def publish(*data):
    messages = [realtime.Message(PUBLIC, one) for one in data]
    realtime.publish_many(messages, stream="default")


def cursor():
    return realtime.current_cursor("default")


def test_before_the_first_event_it_is_the_start():
    assert str(cursor()) == "0"


def test_it_numbers_first_what_was_committed():
    publish(1, 2)
    found = cursor()
    assert found.position == 2
    assert str(found) == f"2-{Event.objects.get(position=2).mark:x}"


def test_where_nothing_waits_it_is_one_query(django_assert_num_queries):
    publish(1)
    cursor()
    with django_assert_num_queries(1):
        assert cursor().position == 1


def test_a_coroutine_asks_too():
    publish(1)
    assert async_to_sync(realtime.acurrent_cursor)("default").position == 1


def test_it_numbers_more_than_a_batch(monkeypatch):
    monkeypatch.setattr("realtime.log.snapshot.NUMBER_ROWS", 2)
    publish(*range(5))
    assert cursor().position == 5


def test_those_who_follow_the_stream_are_told(elsewhere):
    listener = elsewhere()
    listener.execute(f"LISTEN {PUBLISHED_CHANNEL}")
    publish(1)
    found = cursor()
    [hint] = listener.notifies(timeout=5, stop_after=1)
    assert hint.payload == f"{found} default"


def test_inside_a_transaction_the_position_is_committed_at_once(elsewhere):
    """As with ATOMIC_REQUESTS: the page's transaction goes on for as long as it renders."""
    publish(1)
    with transaction.atomic():
        assert cursor().position == 1
        other = elsewhere(options="-c lock_timeout=1s")
        assert other.execute("SELECT count(*) FROM realtime_event").fetchone() == (1,)
        other.execute("SELECT FROM realtime_stream FOR NO KEY UPDATE")


def test_what_the_page_itself_has_not_committed_is_not_numbered():
    with transaction.atomic():
        publish(1)
        assert cursor().position == 0
    assert cursor().position == 1


def test_a_transaction_that_reads_an_older_state_gets_the_cursor_of_that_state():
    publish(1)
    with transaction.atomic():
        with connection.cursor() as session:
            session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert cursor().position == 0
        assert OutboxEvent.objects.count() == 1


def test_a_stream_whose_events_can_not_be_numbered_holds_up_no_page(elsewhere, caplog):
    publish(1)
    last = 2**63 - 1  # there is no position after it
    elsewhere().execute(
        "INSERT INTO realtime_stream (name, position, pruned_through) VALUES ('default', %s, 0)",
        [last],
    )
    assert cursor().position == last
    assert "Could not number the events of 'default'" in caplog.text


def test_a_lock_that_is_held_for_long_holds_up_no_page(elsewhere, caplog):
    publish(1)
    cursor()
    publish(2)
    holder = elsewhere()
    with holder.transaction():
        holder.execute("SELECT FROM realtime_stream FOR NO KEY UPDATE")
        assert cursor().position == 1
    assert cursor().position == 2


def test_a_stream_that_nobody_has_named_is_refused():
    with pytest.raises(realtime.InvalidEvent, match="no stream 'ordres'"):
        realtime.current_cursor("ordres")
