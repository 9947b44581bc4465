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

from orders.models import Order
from orders.status import Status
from realtime.bell.snapshot import KEPT, MOST_COUNTED, PAGE

from ..orders.samples import number_waiting
from .bells import (
    ONE_SECOND_MS,
    badge,
    close_bell,
    expect_live,
    find_the_network,
    lose_the_network,
    mark_all_as_read,
    move_on,
    open_bell,
    place,
    place_many,
    row,
    rows,
    shown,
    titles,
)

STEPS = 30
AGREED_SECONDS = 20
PAUSE_MS = 150


@pytest.fixture
def expect_agreement(visit, alice) -> Callable[..., None]:
    """Waits until pages say what a page says that is loaded now, and that no event has reached."""

    def expect_agreement(*pages: Page) -> None:
        number_waiting()
        fresh = visit(alice, prepare=hold_its_stream)
        deadline = time.monotonic() + AGREED_SECONDS
        while True:
            expected = shown(fresh)
            said = [shown(page) for page in pages]
            if all(one == expected for one in said):
                fresh.close()
                return
            if time.monotonic() > deadline:
                assert [json.loads(one) for one in said] == [json.loads(expected)] * len(said)
            fresh.wait_for_timeout(PAUSE_MS)  # the others need the processor, too
            number_waiting()
            fresh.reload()

    return expect_agreement


def hold_its_stream(page: Page) -> None:
    page.route("**/notifications/live?*", lambda route: None)


def press_one(page: Page, action: str, number: int) -> None:
    """Read, archive … one of those with which that can be done, whatever has arrived by now."""
    page.evaluate(
        """([action, number]) => {
          const buttons = [...document.querySelectorAll(`main [data-bell-act="${action}"]`)]
            .filter(button => button.checkVisibility());
          buttons[number % buttons.length]?.click();
        }""",
        [action, number],
    )


def read_all(page: Page) -> None:
    """If anything is unread on it by now."""
    page.evaluate(
        """() => {
          const button = document.querySelector("main .bell-read-all");
          if (!button.hidden) button.click();
        }"""
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
            self.read_one: 4,
            self.unread_one: 2,
            self.archive_one: 2,
            self.take_back: 1,
            self.read_all: 1,
            self.delete_an_order: 1,
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
        press_one(self.a_page(), "read", self.random.randrange(KEPT))

    def unread_one(self) -> None:
        press_one(self.a_page(), "unread", self.random.randrange(KEPT))

    def archive_one(self) -> None:
        press_one(self.a_page(), "archive", self.random.randrange(KEPT))

    def take_back(self) -> None:
        self.a_page().evaluate("document.querySelector('[data-bell-undo] button')?.click()")

    def read_all(self) -> None:
        read_all(self.a_page())

    def delete_an_order(self) -> None:
        order = Order.objects.order_by("?").first()
        if order is not None:
            order.delete()

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
    second.goto("/notifications/")
    visitor = Visitor(alice, [first, second], phone, seed)
    for _ in range(STEPS):
        visitor.do_something()
    find_the_network(phone)
    expect_agreement(first, second, phone)


def test_what_is_done_in_one_tab_is_everywhere_within_a_second(visit, alice):
    desk, phone = visit(alice), visit(alice)
    tab = desk.context.new_page()
    tab.goto("/notifications/")
    others = (tab, phone)
    for page in (desk, *others):
        expect_live(page)
    for product in ("Teapot", "Espresso cups", "Linen napkins"):
        place(alice, product)
    for page in (desk, *others):
        expect(titles(page)).to_have_count(3)
        expect(rows(page, "seen")).to_have_count(3)

    row(desk, "Espresso cups").get_by_role("button", name="Mark as read").click()
    for page in others:
        expect(rows(page, "read")).to_have_count(1, timeout=ONE_SECOND_MS)
        expect(rows(page, "read")).to_contain_text("Espresso cups")

    row(desk, "Teapot").hover()
    row(desk, "Teapot").get_by_role("button", name="Archive").click()
    for page in others:
        expected = ["2 × Linen napkins", "2 × Espresso cups"]
        expect(titles(page)).to_have_text(expected, timeout=ONE_SECOND_MS)

    mark_all_as_read(desk)
    for page in others:
        expect(rows(page, "read")).to_have_count(2, timeout=ONE_SECOND_MS)


def test_a_page_that_was_away_until_its_place_in_the_log_was_gone(
    site, shared_site, visit, complaints, alice, expect_agreement
):
    complaints.expect("net::ERR_")
    desk, phone = visit(alice), visit(alice)
    place(alice, "Teapot")
    for page in (desk, phone):
        expect(titles(page)).to_have_text(["2 × Teapot"])
    phone.evaluate("document.body.dataset.stays = ''")
    lose_the_network(phone)

    place_many(alice, MOST_COUNTED)
    expect(badge(desk)).to_have_text("99+")
    expect(titles(desk)).to_have_count(PAGE)
    press_one(desk, "read", 3)
    press_one(desk, "read", 0)
    expect(badge(desk)).to_have_text(str(MOST_COUNTED - 1))
    call_command("prune_events", keep=20, verbosity=0)
    expect(titles(phone)).to_have_text(["2 × Teapot"])

    site.stop()  # which still had in memory what is pruned
    shared_site.again()
    expect_live(desk)
    with phone.expect_response("**/notifications/bell/"):
        find_the_network(phone)
    expect_agreement(desk, phone)
    place(alice, "Espresso cups")
    expect_agreement(desk, phone)
    expect(badge(phone)).to_have_text("99")
    # Noted before it went away: it has not been loaded again.
    expect(phone.locator("body")).to_have_attribute("data-stays", "")


def test_what_was_done_elsewhere_while_this_page_was_away(
    visit, complaints, alice, expect_agreement
):
    complaints.expect("net::ERR_INTERNET_DISCONNECTED")
    for product in ("Teapot", "Espresso cups"):
        place(alice, product)
    desk, phone = visit(alice), visit(alice)
    expect(badge(phone)).to_have_text("2")
    expect(rows(phone, "seen")).to_have_count(2)
    lose_the_network(phone)
    mark_all_as_read(phone)  # which nobody hears: it doesn't pretend otherwise
    expect(badge(phone)).to_have_text("2")

    press_one(desk, "read", 0)
    expect(rows(desk, "read")).to_have_count(1)
    place(alice, "Linen napkins")

    find_the_network(phone)
    expect_agreement(desk, phone)
    expect(badge(phone)).to_have_text("2")
