from decimal import Decimal

import pytest
from django.db import connection, transaction

import realtime
from realtime.log.notifications import PENDING_CHANNEL
from realtime.models import Event, OutboxEvent

pytestmark = pytest.mark.django_db


def waiting():
    return list(OutboxEvent.objects.order_by("id").values_list("stream", "recipient", "data"))


def test_an_event_waits_in_the_outbox(alice):
    realtime.publish(stream="orders", recipient=alice, data={"total": Decimal("9.90")})
    assert waiting() == [("orders", str(alice.pk), '{"total":"9.90"}')]
    assert not Event.objects.exists()


def test_its_type_is_the_streams_name_unless_given():
    realtime.publish(stream="orders", recipient=7, data=1)
    realtime.publish(stream="orders", recipient=7, data=2, type="seen")
    types = OutboxEvent.objects.order_by("id").values_list("type", flat=True)
    assert list(types) == ["orders", "seen"]


def test_an_event_for_nobody_in_particular_has_no_recipient():
    realtime.publish(stream="imports", recipient=None, data={"percent": 10})
    assert waiting() == [("imports", "", '{"percent":10}')]


def test_many_events_keep_their_order(alice, bob):
    messages = [realtime.Message(alice, 1), realtime.Message(bob, 2), realtime.Message(alice, 3)]
    realtime.publish_many(messages, stream="orders")
    assert [data for _, _, data in waiting()] == ["1", "2", "3"]


def test_many_events_are_one_insert(django_assert_num_queries):
    with django_assert_num_queries(1):
        realtime.publish_many([realtime.Message(7, n) for n in range(500)], stream="orders")


@pytest.mark.parametrize("data", [float("nan"), float("inf"), {1, 2}, object(), "\ud800"])
def test_what_json_can_not_say_is_refused_before_anything_is_written(data):
    with pytest.raises(realtime.InvalidEvent, match="JSON"):
        realtime.publish(stream="orders", recipient=7, data=data)
    assert waiting() == []


def test_a_user_without_a_key_is_refused(django_user_model):
    with pytest.raises(realtime.InvalidEvent, match="save it first"):
        realtime.publish(stream="orders", recipient=django_user_model(username="x"), data=1)


@pytest.mark.parametrize("name", ["", "x" * 101, "a\nb", "a\0", None])
def test_a_stream_needs_a_name_that_fits_in_a_line(name):
    with pytest.raises(realtime.InvalidEvent, match="stream="):
        realtime.publish(stream=name, recipient=7, data=1)


@pytest.mark.parametrize("type", ["heartbeat", "reset"])
def test_what_the_stream_itself_says_is_no_type_of_an_event(type):
    with pytest.raises(realtime.InvalidEvent, match="choose another name"):
        realtime.publish(stream="orders", recipient=7, data=1, type=type)
    with pytest.raises(realtime.InvalidEvent, match="choose another name"):
        realtime.publish(stream=type, recipient=7, data=1)
    assert waiting() == []


def test_a_rollback_takes_the_event_along():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        realtime.publish(stream="orders", recipient=7, data=1)
        raise ZeroDivisionError
    assert waiting() == []


def watched(stream, *, seconds):
    """As if a process looked for events of this stream for so long from now on."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO realtime_watch (stream, until)"
            " VALUES (%(stream)s, clock_timestamp() + make_interval(secs => %(seconds)s))"
            " ON CONFLICT (stream) DO UPDATE SET until = EXCLUDED.until",
            {"stream": stream, "seconds": seconds},
        )


class TestHints:
    """What listeners hear: only after the commit, once for each stream."""

    pytestmark = pytest.mark.django_db(transaction=True)

    @pytest.fixture
    def listener(self, elsewhere):
        # Takes along what a rollback in another test may have left to hint at.
        realtime.publish(stream="orders", recipient=7, data=0)
        session = elsewhere()
        session.execute(f"LISTEN {PENDING_CHANNEL}")
        return session

    @staticmethod
    def heard(listener, marker="end"):
        """The payloads up to a marker that is sent now."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [PENDING_CHANNEL, marker])
        payloads = []
        for notification in listener.notifies(timeout=10):
            if notification.payload == marker:
                return payloads
            payloads.append(notification.payload)
        raise AssertionError("the marker was not heard")

    def test_a_transaction_hints_once_for_each_stream(self, listener):
        with transaction.atomic():
            realtime.publish(stream="orders", recipient=7, data=1)
            realtime.publish(stream="orders", recipient=8, data=2)
            realtime.publish(stream="imports", recipient=7, data=3)
        assert self.heard(listener) == ["imports", "orders"]

    def test_nothing_is_hinted_before_the_commit(self, listener):
        with transaction.atomic():
            realtime.publish(stream="orders", recipient=7, data=1)
            listener.execute("SELECT")  # a round trip: whatever was sent has arrived
            assert list(listener.notifies(timeout=0)) == []
        assert self.heard(listener) == ["orders"]

    def test_a_rollback_hints_nothing(self, listener):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            realtime.publish(stream="orders", recipient=7, data=1)
            raise ZeroDivisionError
        assert self.heard(listener) == []

    def test_while_the_stream_is_watched_nothing_is_hinted(self, listener):
        watched("orders", seconds=0.19)
        realtime.publish(stream="orders", recipient=7, data=1)
        realtime.publish_many([realtime.Message(7, n) for n in (2, 3)], stream="orders")
        realtime.publish(stream="imports", recipient=7, data=4)
        assert self.heard(listener) == ["imports"]

    def test_a_commit_after_the_watch_is_hinted(self, listener):
        watched("orders", seconds=0.1)
        with transaction.atomic():
            realtime.publish(stream="orders", recipient=7, data=1)
            watched("orders", seconds=0.19)  # what is promised later does not count
            realtime.publish(stream="orders", recipient=7, data=2)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(0.11)")
        assert self.heard(listener) == ["orders"]

    def test_a_watch_longer_than_any_is_not_relied_on(self, listener):
        """The database's clock was set back since."""
        watched("orders", seconds=3600)
        realtime.publish(stream="orders", recipient=7, data=1)
        assert self.heard(listener) == ["orders"]

    def test_a_hint_that_fails_costs_neither_the_change_nor_the_event(self, elsewhere, caplog):
        """The session dies between the commit and the hint."""

        def die():
            pid = connection.connection.info.backend_pid
            elsewhere().execute("SELECT pg_terminate_backend(%s, 10000)", [pid])

        with transaction.atomic():
            transaction.on_commit(die)
            realtime.publish(stream="orders", recipient=7, data=1)
        connection.close()
        assert waiting() == [("orders", "7", "1")]
        assert "Error calling" in caplog.text

    def test_event_and_change_are_one_transaction(self, django_user_model):
        with transaction.atomic():
            user = django_user_model.objects.create_user("carol")
            realtime.publish(stream="orders", recipient=user, data=1)
        with connection.cursor() as cursor:
            cursor.execute("SELECT xmin FROM auth_user UNION SELECT xmin FROM realtime_outbox")
            assert len(cursor.fetchall()) == 1
