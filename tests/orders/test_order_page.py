"""The page of one order, and how it came to where it is."""

import re
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from orders.models import Order
from orders.timeline import timeline
from realtime.models import Event

from .pages import element, elements, page_of, shown_text
from .samples import an_order, move_on, place, place_many

pytestmark = pytest.mark.django_db


def steps(order: Order) -> list[tuple[str, datetime | None]]:
    order.refresh_from_db()
    return [(step.status.value, step.changed_at) for step in timeline(order)]


def address(order: Order) -> str:
    return reverse("order", args=[order.pk])


def test_it_asks_strangers_to_sign_in(client, alice):
    order = place(alice)
    assert client.get(address(order)).url == f"/login/?next=/orders/{order.pk}/"


def test_it_shows_customers_their_own_orders_and_no_others(client, alice, bob):
    own, others = place(alice, "Teapot"), place(bob, "Bob's secret")
    client.force_login(alice)
    assert "Teapot" in client.get(address(own)).content.decode()
    for url in (address(others), "/orders/0/", f"/orders/{10**30}/"):
        response = client.get(url)
        assert response.status_code == 404
        assert "secret" not in response.content.decode()


def test_it_shows_the_staff_whose_order_it_is(client, alice, bob):
    order = place(alice, "Teapot")
    client.force_login(bob)
    bob.user_permissions.add(Permission.objects.get(codename="view_order"))
    in_the_admin = reverse("admin:orders_order_change", args=[order.pk])
    main = element(page_of(client.get(address(order))), "main")
    assert "Customer alice" in shown_text(main)
    assert not list(elements(main, "a", href=in_the_admin))
    bob.is_staff = True
    bob.save()
    assert element(page_of(client.get(address(order))), "a", href=in_the_admin)


def test_it_tells_the_order_and_its_way_in_words(client, alice):
    order = place(alice, "Espresso cups", 6)
    move_on(order, "paid", "shipped")
    client.force_login(alice)
    text = shown_text(element(page_of(client.get(address(order))), "main"))
    assert f"Order #{order.pk} 6 × Espresso cups" in text
    assert re.search("We have your order.* Your payment is here.* It has left us", text)
    assert "Unit price €4.50 Total €27.00" in text
    assert f"{order.status_changed_at:%Y}" in text


def test_its_way_has_the_times_at_which_it_was_told(alice, bob):
    order, other = place(alice), place(alice)
    move_on(order, "paid")
    paid_at = order.status_changed_at
    move_on(other, "cancelled")
    move_on(order, "shipped")
    assert steps(order) == [
        ("placed", order.placed_at),
        ("paid", paid_at),
        ("shipped", order.status_changed_at),
    ]
    assert steps(other) == [("placed", other.placed_at), ("cancelled", other.status_changed_at)]


def test_of_what_the_log_no_longer_keeps_it_shows_beginning_and_end(alice):
    order = place(alice)
    move_on(order, "paid", "shipped")
    Event.objects.all().delete()
    assert steps(order) == [("placed", order.placed_at), ("shipped", order.status_changed_at)]


def test_an_order_from_before_that_was_noted_has_its_status_without_a_time(alice):
    order = an_order(alice, status="delivered", placed_at=datetime(2020, 1, 1, tzinfo=UTC))
    order.save_base(raw=True)  # as a fixture is loaded
    assert steps(order) == [("placed", order.placed_at), ("delivered", None)]


def test_it_asks_the_database_the_same_few_questions_however_much_has_happened(
    client, alice, django_assert_num_queries
):
    order = place(alice)
    client.force_login(alice)
    for statuses in ((), ("paid", "shipped", "delivered")):
        move_on(order, *statuses)
        place_many(alice, 30)
        client.get(address(order))  # which brings the bell up to date
        with django_assert_num_queries(13):
            client.get(address(order))
