"""Every page of a user says the same, and the same as a page that is loaded afresh: the state that
the server has rendered and the events after it are the state that it would render now.
"""

import json
import random
import time
from collections.abc import Callable

import pytest
from django.core.management import call_command
from playwright.sync_api import Page, expect

from orders.bell import KEPT, MOST_COUNTED
from orders.models import Order
from orders.status import Status

from ..orders.samples import number_waiting
from ..servers import running_server
from .bells import (
    ONE_SECOND_MS,
    badge,
    close_bell,
    expect_live,
    find_the_network,
    items,
    lose_the_network,
    mark_all_as_read,
    move_on,
    open_bell,
    place,
    place_many,
    products,
    shown,
)

STEPS = 30
AGREED_SECONDS = 20


@pytest.fixture
def expect_agreement(visit, alice) -> Callable[..., None]:
    """Waits until pages say what a page says that is loaded now, and that no event has reached."""

    def expect_agreement(*pages: Page) -> None:
        fresh = visit(alice)
        fresh.route("**/orders/realtime?*", lambda route: None)  # held for ever
        deadline = time.monotonic() + AGREED_SECONDS
        while True:
            number_waiting()
            fresh.reload()
            expected = shown(fresh)
            said = [shown(page) for page in pages]
            if all(one == expected for one in said):
                fresh.context.close()
                return
            if time.monotonic() > deadline:
                assert [json.loads(one) for one in said] == [json.loads(expected)] * len(said)

    return expect_agreement


def click_a_dot(page: Page, number: int) -> None:
    """Mark as read one of those that aren't, whatever has arrived by now."""
    page.evaluate(
        """number => {
          const dots = document.querySelectorAll(
            "main li:not([data-state=read]) [data-bell-read-one]");
          dots[number % dots.length]?.click();
        }""",
        number,
    )


class Visitor:
    """Somebody who does whatever comes to their mind, on two devices, the first with two tabs."""

    def __init__(self, customer, desk: list[Page], phone: Page, seed: int) -> None:
        self.customer = customer
        self.desk = desk
        self.phone = phone
        self.is_phone_online = True
        self.random = random.Random(seed)
        self.actions = {
            self.order: 6,
            self.order_a_lot: 1,
            self.have_an_order_move_on: 6,
            self.look: 3,
            self.read_one: 6,
            self.read_all: 1,
            self.come_back_to_a_tab: 1,
            self.lose_or_find_the_network: 3,
        }

    def do_something(self) -> None:
        [action] = self.random.choices(list(self.actions), self.actions.values())
        action()

    def order(self) -> None:
        place(self.customer, f"Cup {self.random.randrange(1000)}")

    def order_a_lot(self) -> None:
        place_many(self.customer, self.random.choice([KEPT + 1, MOST_COUNTED + 20]))

    def have_an_order_move_on(self) -> None:
        orders = [order for order in Order.objects.order_by("-pk")[:8] if Status(order.status).next]
        if orders:
            order = self.random.choice(orders)
            move_on(order, self.random.choice(Status(order.status).next))

    def look(self) -> None:
        page = self.a_page()
        open_bell(page)
        close_bell(page)

    def read_one(self) -> None:
        click_a_dot(self.a_page(), self.random.randrange(KEPT))

    def read_all(self) -> None:
        mark_all_as_read(self.a_page())

    def come_back_to_a_tab(self) -> None:
        page = self.random.choice(self.desk)
        page.goto("/admin/login/")
        page.go_back()

    def lose_or_find_the_network(self) -> None:
        self.is_phone_online = not self.is_phone_online
        if self.is_phone_online:
            find_the_network(self.phone)
        else:
            lose_the_network(self.phone)

    def a_page(self) -> Page:
        """The phone may be offline: what is done there then is not done anywhere."""
        return self.random.choice([*self.desk, self.phone])


@pytest.mark.parametrize("seed", [1, 2])
def test_all_pages_end_as_a_fresh_one(visit, complaints, alice, expect_agreement, seed):
    complaints.expect("net::ERR_INTERNET_DISCONNECTED")
    first, phone = visit(alice), visit(alice)
    second = first.context.new_page()
    second.goto("/")
    visitor = Visitor(alice, [first, second], phone, seed)
    for _ in range(STEPS):
        visitor.do_something()
    find_the_network(phone)
    expect_agreement(first, second, phone)


def test_seen_and_read_are_everywhere_within_a_second(visit, alice):
    desk, phone = visit(alice), visit(alice)
    tab = desk.context.new_page()
    tab.goto("/")
    others = (tab, phone)
    for page in (desk, *others):
        expect_live(page)
    for product in ("Teapot", "Espresso cups", "Linen napkins"):
        place(alice, product)
    for page in (desk, *others):
        expect(badge(page)).to_have_text("3")

    open_bell(desk)
    for page in others:
        expect(badge(page)).to_be_hidden(timeout=ONE_SECOND_MS)
        expect(items(page, "seen")).to_have_count(3)
    close_bell(desk)

    click_a_dot(desk, 1)
    for page in others:
        read = items(page, "read").locator("[data-field=product]")
        expect(read).to_have_text(["Espresso cups"], timeout=ONE_SECOND_MS)

    mark_all_as_read(desk)
    for page in others:
        expect(items(page, "read")).to_have_count(3, timeout=ONE_SECOND_MS)


def test_a_page_that_was_away_until_its_place_in_the_log_was_gone(
    site, visit, complaints, alice, expect_agreement
):
    complaints.expect("net::ERR_")
    desk, phone = visit(alice), visit(alice)
    place(alice, "Teapot")
    for page in (desk, phone):
        expect(products(page)).to_have_text(["Teapot"])
    phone.evaluate("document.body.dataset.stays = ''")
    lose_the_network(phone)

    place_many(alice, MOST_COUNTED)
    expect(badge(desk)).to_have_text("99+")
    open_bell(desk)
    expect(badge(desk)).to_be_hidden()
    close_bell(desk)
    place_many(alice, 7)
    expect(badge(desk)).to_have_text("7")
    click_a_dot(desk, 3)
    expect(badge(desk)).to_have_text("6")
    call_command("prune_events", keep=50, verbosity=0)
    expect(products(phone)).to_have_text(["Teapot"])

    site.stop()  # which still had in memory what is pruned
    with running_server("runserver", port=site.port):
        expect_live(desk)
        with phone.expect_response("**/notifications/bell/"):
            find_the_network(phone)
        expect_agreement(desk, phone)
        place(alice, "Espresso cups")
        expect_agreement(desk, phone)
        expect(badge(phone)).to_have_text("7")
        # Noted before it went away: it has not been loaded again.
        expect(phone.locator("body")).to_have_attribute("data-stays", "")
        for page in (desk, phone):
            page.goto("about:blank")  # leave while there is a server to leave


def test_what_was_done_elsewhere_while_this_page_was_away(
    visit, complaints, alice, expect_agreement
):
    complaints.expect("net::ERR_INTERNET_DISCONNECTED")
    for product in ("Teapot", "Espresso cups"):
        place(alice, product)
    desk, phone = visit(alice), visit(alice)
    expect(badge(phone)).to_have_text("2")
    lose_the_network(phone)
    mark_all_as_read(phone)  # which nobody hears: it doesn't pretend otherwise
    expect(badge(phone)).to_have_text("2")

    open_bell(desk)
    expect(badge(desk)).to_be_hidden()
    close_bell(desk)
    click_a_dot(desk, 0)
    expect(items(desk, "read")).to_have_count(1)
    place(alice, "Linen napkins")

    find_the_network(phone)
    expect_agreement(desk, phone)
    expect(badge(phone)).to_have_text("1")
