"""The customer's page in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from orders.models import Order

from ..orders.samples import an_order
from .bells import ELSEWHERE, badge, expect_live, place_many

WIDTHS = [320, 1280]


def test_an_order_is_placed_with_one_click_and_goes_its_way_on_the_page(visit, alice):
    page = visit(alice, at="/")
    expect(page.get_by_text("You have not ordered anything yet.")).to_be_visible()
    expect_live(page)
    page.evaluate("document.body.dataset.isTheSamePage = ''")
    page.get_by_role("button", name="Teapot").click()
    card = page.locator(".card-of-order")
    expect(card.get_by_role("link")).to_have_text("1 × Teapot")
    expect(card.locator("[aria-current=step]")).to_have_text("Placed")
    order = Order.objects.get()
    card.get_by_role("link").focus()
    for status in ("paid", "shipped"):
        order.status = status
        order.save()
    expect(card.locator("[aria-current=step]")).to_have_text("Shipped")
    expect(card.locator("[data-is-reached]")).to_have_count(3)
    expect(card.get_by_role("link")).to_be_focused()
    order.delete()
    expect(page.get_by_text("You have not ordered anything yet.")).to_be_visible()
    assert page.locator("body").get_attribute("data-is-the-same-page") == ""


def test_all_that_it_shows_has_been_read_at_once(visit, alice):
    page = visit(alice, at=ELSEWHERE)
    expect_live(page)
    place_many(alice, 12)
    expect(badge(page)).to_have_text("12")
    page.goto("/")
    expect(page.locator(".card-of-order")).to_have_count(12)
    expect(badge(page)).to_be_hidden()


def test_the_page_of_an_order_shows_where_it_stands_live(visit, alice):
    order = an_order(alice)
    order.save()
    page = visit(alice, at=f"/orders/{order.pk}/")
    expect_live(page)
    current = page.locator(".stages [aria-current=step]")
    expect(current).to_have_text("Placed")
    order.status = "paid"
    order.save()
    expect(current).to_have_text("Paid")


def test_amounts_are_in_the_viewers_form(visit, alice):
    an_order(alice, quantity=100, unit_price="49.43").save()
    for locale, expected in (("en-GB", "€4,943.00"), ("de-AT", "€ 4.943,00"), ("es", "4943,00 €")):
        page = visit(alice, locale=locale, at="/")
        amount = page.locator(".card-head data")
        expect(amount).to_have_text(re.compile(re.escape(expected).replace(r"\ ", r"\s")))


def test_it_works_without_a_script(visit, alice):
    page = visit(alice, java_script_enabled=False, at="/")
    page.get_by_role("button", name="Salad bowl").click()
    expect(page.locator(".card-of-order")).to_contain_text("1 × Salad bowl")


@pytest.fixture
def widest(alice) -> None:
    """An order of hers: what it says takes as much room as it can."""
    an_order(alice, product="Unbreakable" * 18, quantity=10_000, unit_price="99999999.99").save()


def test_it_fits_its_window(visit, alice, widest, subtests):
    page = visit(alice, at="/")
    expect(page.locator(".card-of-order")).to_have_count(1)
    for width in WIDTHS:
        with subtests.test(width=width):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") == width


def test_it_has_no_violations_by_axe(axe, visit, alice, widest, subtests):
    page = visit(alice, bypass_csp=True, at="/")
    expect(page.locator(".card-of-order")).to_have_count(1)
    for width in WIDTHS:
        with subtests.test(width=width):
            page.set_viewport_size({"width": width, "height": 800})
            assert axe.violations(page) == []
