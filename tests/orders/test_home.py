"""The customer's page: their orders with the way of each, and what they can order."""

import re
from decimal import Decimal

import pytest
from django.urls import reverse

from orders.models import Order
from orders.shopfront import OFFERS, SHOWN
from orders.stages import stages

from .pages import attribute, element, elements, page_of, shown_text
from .samples import an_order, move_on, place, place_many

pytestmark = pytest.mark.django_db
HOME = reverse("home")
PLACE = reverse("order_place")


@pytest.fixture
def customer(client, alice):
    """Alice's browser."""
    client.force_login(alice)
    return client


def main(client):
    return element(page_of(client.get(HOME)), "main")


def cards(client):
    return list(elements(main(client), "li", data_order=None))


def way(order: Order) -> list[str]:
    """The stages of an order: reached with a +, the present one with a *."""
    marks = {(True, False): "+", (True, True): "*", (False, False): ""}
    return [f"{marks[each.is_reached, each.is_current]}{each.status}" for each in stages(order)]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], ["*placed", "paid", "shipped", "delivered"]),
        (["paid"], ["+placed", "*paid", "shipped", "delivered"]),
        (["paid", "shipped", "delivered"], ["+placed", "+paid", "+shipped", "*delivered"]),
        (["cancelled"], ["+placed", "*cancelled"]),
        (["paid", "cancelled"], ["+placed", "*cancelled"]),
    ],
)
def test_an_order_shows_where_it_stands_and_what_lies_ahead(alice, statuses, expected):
    order = place(alice)
    move_on(order, *statuses)
    assert way(order) == expected


def test_it_asks_strangers_to_sign_in(client):
    assert client.get(HOME).url == "/login/"
    assert client.post(PLACE, {"offer": "teapot"}).url == "/login/?next=/orders/place/"


def test_it_shows_ones_own_orders_the_newest_first_and_nobody_elses(customer, alice, bob):
    first, second = place(alice, "Teapot"), place(alice, "Espresso cups", 6)
    place(bob, "Bob's secret")
    move_on(first, "paid")
    found = cards(customer)
    assert [attribute(card, "data-order") for card in found] == [str(second.pk), str(first.pk)]
    assert "secret" not in shown_text(main(customer))
    text = shown_text(found[0])
    assert text.startswith("6 × Espresso cups €27.00 Placed Paid Shipped Delivered")
    [current] = elements(found[1], "li", aria_current="step")
    assert shown_text(current) == "Paid"
    assert attribute(next(elements(found[0], "a")), "href") == f"/orders/{second.pk}/"


def test_without_orders_it_offers_some_and_shows_no_empty_list(customer):
    page = main(customer)
    assert "You have not ordered anything yet." in shown_text(page)
    assert not list(elements(page, "ol"))
    offers = list(elements(page, "button", name="offer"))
    assert [attribute(offer, "value") for offer in offers] == ["cups", "teapot", "bowl"]
    assert shown_text(offers[1]) == "Teapot €39.50"


def test_an_offer_is_ordered_with_one_click_at_the_price_of_the_shop(customer, alice):
    by_form = customer.post(PLACE, {"offer": "teapot", "unit_price": "0.01"})
    assert by_form.url == HOME
    order = Order.objects.get()
    assert (order.customer, order.product, order.quantity) == (alice, "Teapot", 1)
    assert order.unit_price == OFFERS["teapot"].unit_price == Decimal("39.50")
    by_script = customer.post(PLACE, {"offer": "cups"}, headers={"Accept": "text/plain"})
    assert by_script.status_code == 204
    assert customer.post(PLACE, {"offer": "gold"}).status_code == 400
    assert customer.get(PLACE).status_code == 405
    assert Order.objects.count() == 2


def test_older_orders_are_pointed_to(customer, alice):
    place_many(alice, SHOWN)
    assert "Older ones" not in shown_text(main(customer))
    place(alice)
    assert "Older ones" in shown_text(main(customer))
    assert len(cards(customer)) == SHOWN


def test_cards_and_cursor_leave_no_gap_to_the_stream(customer, alice):
    place_many(alice, 3)
    late = an_order(alice)
    late.save()  # committed, and not numbered yet
    html = customer.get(HOME).content.decode().partition("data-home")[2]
    [position] = re.findall(r'data-live-cursor="(\d+)', html)
    assert int(position) >= 3  # what is not among the cards is yet to come
    assert f'data-order="{late.pk}"' in html


def test_it_takes_as_many_queries_for_twenty_orders_as_for_one(
    customer, alice, django_assert_num_queries, django_assert_max_num_queries
):
    place(alice)
    customer.get(HOME)
    with django_assert_max_num_queries(15) as one:
        customer.get(HOME)
    count = len(one)
    place_many(alice, SHOWN)
    customer.get(HOME)  # which brings the bell up to date
    with django_assert_num_queries(count):
        customer.get(HOME)
