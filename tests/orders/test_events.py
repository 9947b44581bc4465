import json
import logging
import threading
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import psycopg
import pytest
from django.core import serializers
from django.db import connection, transaction
from django.db.models import Value
from django.db.models.functions import Now
from django.db.models.signals import post_save
from django.test.utils import CaptureQueriesContext
from django.utils.safestring import mark_safe

from orders.events import ORDER_TYPE, STREAM, utc_text
from orders.exceptions import InvalidTransition
from orders.models import Order
from realtime import topic_of
from realtime.exceptions import InvalidEvent
from realtime.models import OutboxEvent

from ..servers import database_url
from .locks import wait_until_somebody_waits_for_a_row
from .samples import an_order, events, told

pytestmark = pytest.mark.django_db


def test_placing_an_order_tells_its_customer(alice):
    order = an_order(alice)
    order.save()
    event = OutboxEvent.objects.get(type=ORDER_TYPE)
    assert (event.stream, event.topic) == (STREAM, topic_of(alice))
    assert events() == [order.event_data()]


def test_the_event_is_the_order_in_json(alice):
    order = an_order(alice, pk=7, product="Tea", quantity=2, unit_price=Decimal("4.5"))
    order.placed_at = datetime(2026, 11, 22, 13, 5, 9, 120000, tzinfo=UTC)
    assert order.event_data() == {
        "order": 7,
        "status": "placed",
        "product": "Tea",
        "quantity": 2,
        "unit_price": "4.50",
        "total": "9.00",
        "customer": "alice",
        "placed_at": "2026-11-22T13:05:09.120000Z",
        "changed_at": "2026-11-22T13:05:09.120000Z",
    }


def test_it_tells_when_the_order_came_to_its_status(alice):
    order = an_order(alice)
    order.save()
    started_at = datetime.now(UTC)
    order.status = "paid"
    order.save(update_fields=["status"])
    order.product = "Coffee"
    order.save()
    assert started_at < order.changed_at < datetime.now(UTC)
    order.refresh_from_db()
    assert [(e["status"], e["changed_at"]) for e in events()] == [
        ("placed", utc_text(order.placed_at)),
        ("paid", utc_text(order.status_changed_at)),
    ]


def test_each_change_of_status_is_one_event(alice):
    order = an_order(alice)
    order.save()
    for status in ("paid", "shipped", "delivered"):
        order.status = status
        order.save()
    assert told() == [
        (order.pk, "placed"),
        (order.pk, "paid"),
        (order.pk, "shipped"),
        (order.pk, "delivered"),
    ]


def test_a_save_that_does_not_change_the_status_tells_nothing(alice):
    order = an_order(alice)
    order.save()
    order.save()
    order.product, order.quantity, order.unit_price = "Coffee", 3, Decimal("1.00")
    order.save()
    order.save(update_fields=["status"])
    order.save(update_fields=[])
    assert told() == [(order.pk, "placed")]


def test_a_status_left_out_of_update_fields_tells_nothing_until_it_is_saved(alice):
    order = an_order(alice)
    order.save()
    order.status = "paid"
    order.save(update_fields=["product"])
    assert told() == [(order.pk, "placed")]
    order.save(update_fields=iter(["status"]))
    assert told() == [(order.pk, "placed"), (order.pk, "paid")]


def test_the_event_tells_what_the_table_holds_and_not_what_the_instance_does(alice):
    order = an_order(alice, quantity="2", unit_price="4.505")
    order.save()
    order.product = "changed in memory, never saved"
    order.status = "paid"
    order.save(update_fields=["status"])
    assert [(e["product"], e["quantity"], e["total"]) for e in events()] == [("Tea", 2, "9.02")] * 2


@pytest.mark.parametrize(
    "values",
    [
        {"pk": "77"},
        {"product": mark_safe("Tea")},
        {"quantity": "2"},
        {"quantity": Value(1) + Value(1)},
        {"unit_price": 4},
        {"unit_price": "4.50"},
        {"unit_price": Decimal("4.505")},
        {"placed_at": datetime(2026, 11, 22, 13, 5, tzinfo=timezone(timedelta(hours=2)))},
        {"placed_at": "2026-11-22T13:05Z"},
        {"placed_at": Now()},
    ],
    ids=lambda values: ", ".join(f"{name}={value!r}" for name, value in values.items()),
)
def test_however_an_order_was_made_its_event_tells_what_the_table_holds(alice, values):
    an_order(alice, **values).save()
    assert events() == [Order.objects.get().event_data()]


def test_an_order_that_is_what_its_row_is_is_not_read_again(alice):
    with CaptureQueriesContext(connection) as queries:
        an_order(alice).save()
    assert not [query for query in queries if 'FROM "orders_order"' in query["sql"]]


def test_two_who_make_the_same_change_tell_it_once(alice):
    order = an_order(alice)
    order.save()
    first, second = Order.objects.get(pk=order.pk), Order.objects.get(pk=order.pk)
    first.status = second.status = "paid"
    first.save()
    second.save()
    assert told() == [(order.pk, "placed"), (order.pk, "paid")]


def test_a_refused_transition_tells_nothing_and_neither_does_the_next_save(alice):
    order = an_order(alice)
    order.save()
    order.status = "delivered"
    with pytest.raises(InvalidTransition):
        order.save()
    order.status = "placed"
    order.save()
    assert told() == [(order.pk, "placed")]


def test_another_receiver_that_saves_the_order_again_takes_no_event_away(alice):
    def touch(instance, **kwargs):
        if instance.product != "touched":
            instance.product = "touched"
            instance.save()

    order = an_order(alice)
    order.save()
    ours = post_save.receivers
    post_save.connect(touch, sender=Order)
    post_save.receivers = [*post_save.receivers[-1:], *ours]  # before the one that publishes
    post_save.sender_receivers_cache.clear()
    try:
        order.status = "paid"
        order.save()
    finally:
        post_save.disconnect(touch, sender=Order)
    assert told() == [(order.pk, "placed"), (order.pk, "paid")]


def test_get_or_create_and_update_or_create_tell_too(alice):
    values = {"product": "Tea", "quantity": 1, "unit_price": 1}
    order, _ = Order.objects.get_or_create(customer=alice, defaults=values)
    Order.objects.get_or_create(customer=alice, defaults=values)
    Order.objects.update_or_create(customer=alice, defaults={"status": "paid"})
    alice.orders.create(**values)
    assert [status for _, status in told()] == ["placed", "paid", "placed"]
    assert told()[:2] == [(order.pk, "placed"), (order.pk, "paid")]


def test_a_loaded_fixture_restores_any_status_and_tells_nothing(alice):
    order = an_order(alice, pk=5, status="delivered", placed_at=datetime(2020, 1, 1, tzinfo=UTC))
    fixture = serializers.serialize("json", [order])
    for loaded in serializers.deserialize("json", fixture):
        loaded.save()
    saved = Order.objects.get()
    assert (saved.pk, saved.status, saved.placed_at.year) == (5, "delivered", 2020)
    assert told() == []


def test_a_rollback_leaves_neither_order_nor_event(alice):
    kept = an_order(alice)
    with transaction.atomic():
        kept.save()
        with transaction.atomic():
            an_order(alice).save()
            transaction.set_rollback(True)
    assert list(Order.objects.all()) == [kept]
    assert told() == [(kept.pk, "placed")]


@pytest.mark.django_db(transaction=True)
def test_an_order_whose_event_cannot_be_written_is_not_saved(alice, monkeypatch):
    # In autocommit: without a transaction around the save, the order would stay.
    def refuse(*args, **kwargs):
        raise InvalidEvent("refused")

    order = an_order(alice)
    with monkeypatch.context() as patch:
        patch.setattr("realtime.publish_many", refuse, raising=False)
        with pytest.raises(InvalidEvent):
            order.save()
    assert not Order.objects.exists()

    order.save()
    assert told() == [(order.pk, "placed")]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "place",
    [Order.save, lambda order: Order.objects.bulk_create([order])],
    ids=["save", "bulk_create"],
)
def test_order_and_event_are_written_by_one_transaction(alice, place):
    place(an_order(alice))
    with connection.cursor() as cursor:
        cursor.execute("SELECT xmin FROM orders_order UNION SELECT xmin FROM realtime_outbox")
        assert len(cursor.fetchall()) == 1
        cursor.execute("SELECT stream, type FROM realtime_outbox ORDER BY id")
        assert cursor.fetchall() == [("default", "orders"), ("default", "bell.notification")]


@pytest.mark.django_db(transaction=True)
def test_a_hint_that_fails_does_not_fail_the_order(alice, caplog):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()

    def cut_the_connection():
        with psycopg.connect(database_url(), autocommit=True) as other:
            # Waits until that backend is gone.
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])

    order = an_order(alice)
    try:
        with caplog.at_level(logging.ERROR, "django.db.backends"), transaction.atomic():
            transaction.on_commit(cut_the_connection)  # after the commit, before the hint
            order.save()
    finally:
        connection.close()
    assert "on_commit() during transaction" in caplog.text
    assert Order.objects.get().status == "placed"
    assert told() == [(order.pk, "placed")]


@pytest.mark.django_db
@pytest.mark.parametrize("do", [lambda order: order.save(), lambda order: order.delete()])
def test_pages_and_bell_are_told_by_one_statement(alice, do):
    order = an_order(alice)
    order.save()
    order.status = "paid"
    with CaptureQueriesContext(connection) as queries:
        do(order)
    assert sum("INSERT INTO realtime_outbox" in query["sql"] for query in queries) == 1


@pytest.mark.django_db(transaction=True)
def test_the_hint_is_sent_after_the_commit(alice):
    with psycopg.connect(database_url(), autocommit=True) as listener:
        listener.execute("LISTEN realtime_pending")
        with transaction.atomic():
            an_order(alice).save()
            an_order(alice).save()
        heard = [
            (hint.channel, hint.payload) for hint in listener.notifies(timeout=5, stop_after=1)
        ]
    assert heard == [("realtime_pending", "default")]


@pytest.mark.django_db(transaction=True)
def test_of_two_admins_at_once_the_second_meets_what_the_first_has_done(alice):
    order = an_order(alice)
    order.save()
    outcome = []

    def cancel():
        try:
            stale = Order.objects.get(pk=order.pk)
            assert stale.status == "placed"
            loaded.set()
            stale.status = "cancelled"
            stale.save()
        except InvalidTransition as error:
            outcome.append(str(error))
        finally:
            connection.close()

    loaded = threading.Event()
    other = threading.Thread(target=cancel, name="the other admin")
    with transaction.atomic():
        order.status = "paid"
        order.save()
        order.status = "shipped"
        order.save()
        other.start()
        assert loaded.wait(10)
        wait_until_somebody_waits_for_a_row()
    other.join(10)
    assert outcome == ["An order that is “Shipped” can't become “Cancelled”, only “Delivered”."]
    assert told() == [(order.pk, "placed"), (order.pk, "paid"), (order.pk, "shipped")]


def deletions() -> list[tuple[str, dict[str, int]]]:
    """Topic and data of each deletion that was published."""
    rows = OutboxEvent.objects.filter(type="order-deleted").order_by("id")
    return [(row.topic, json.loads(row.data)) for row in rows]


def test_an_order_that_is_deleted_tells_its_customer_by_its_number(alice, bob):
    order, other, third = an_order(alice), an_order(bob), an_order(bob)
    for each in (order, other, third):
        each.save()
    numbers = [each.pk for each in (order, other, third)]
    order.delete()
    Order.objects.filter(customer=bob).delete()
    assert sorted(deletions(), key=str) == sorted(
        [
            (topic_of(alice), {"order": numbers[0]}),
            (topic_of(bob), {"order": numbers[1]}),
            (topic_of(bob), {"order": numbers[2]}),
        ],
        key=str,
    )


def test_a_deletion_that_is_rolled_back_is_not_told(alice):
    order = an_order(alice)
    order.save()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        order.delete()
        _ = 1 / 0
    assert deletions() == []
