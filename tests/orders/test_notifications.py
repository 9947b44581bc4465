"""What the bell tells a customer of their orders."""

import pytest
from django.template.loader import render_to_string
from django.test.html import parse_html

from orders.models import Order
from orders.status import Status
from realtime.bell.kinds import kind_named
from realtime.bell.models import Notification
from realtime.bell.snapshot import Row, bell_snapshot

from .pages import shown_text
from .samples import an_order, move_on, number_waiting, place, place_many

pytestmark = pytest.mark.django_db


def rows(user) -> list[Row]:
    return bell_snapshot(user).rows


def test_each_status_is_a_kind_with_a_sentence_an_icon_and_a_colour_of_its_own():
    kinds = [kind_named(f"orders.{status}") for status in Status]
    assert [kind.label for kind in kinds] == [status.label for status in Status]
    for what in ("sentence", "icon", "tone"):
        assert len({str(getattr(kind, what)) for kind in kinds}) == len(Status)


def test_an_order_is_one_row_of_its_customers_with_its_way_inside(alice, bob):
    order = place(alice, "Teapot", 1)
    move_on(order, "paid", "shipped")
    [row] = rows(alice)
    assert (row.newest.label, row.thread.title) == ("Shipped", "1 × Teapot")
    assert row.thread.url == f"/orders/{order.pk}/"
    assert [told.label for told in row.earlier] == ["Paid", "Placed"]
    assert rows(bob) == []


def test_it_says_which_order_and_how_much(alice):
    order = place(alice, "Espresso cups", 6)
    [row] = rows(alice)
    html = render_to_string("orders/notification.html", {"notification": row.newest})
    assert "We have your order. Thank you!" in html
    assert f"Order #{order.pk}" in html
    assert "Total €27.00" in shown_text(parse_html(html))


def test_many_orders_at_once_are_told_each(alice):
    place_many(alice, 3)
    assert len(rows(alice)) == 3


def test_what_is_no_change_of_status_is_told_to_nobody(alice):
    order = place(alice)
    order.product = "Coffee"
    order.save()
    number_waiting()
    rows(alice)
    assert Notification.objects.count() == 1


@pytest.mark.parametrize("delete", [Order.delete, lambda order: Order.objects.all().delete()])
def test_an_order_that_is_deleted_leaves_the_bell(alice, delete):
    place(alice, "Teapot")
    order = place(alice, "Kettle")
    assert len(rows(alice)) == 2
    delete(order)
    number_waiting()
    assert "2 × Kettle" not in [row.thread.title for row in rows(alice)]


def test_an_order_that_never_was_leaves_nothing(alice):
    an_order(alice)
    assert rows(alice) == []
