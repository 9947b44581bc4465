"""The first minute: /demo/, in a real browser against a real server that is broken meanwhile."""

import re

import pytest
from django.db import connection
from playwright.sync_api import FrameLocator, Locator, Page, expect

from config.demo import accounts
from orders.models import Order

from ..config.conftest import checkout  # noqa: F401  a fixture

# For what includes the end of a server, its start, and the wait before a browser reconnects.
HEALED_MS = 30_000

WINDOWS = [(360, 640), (390, 844), (1280, 800), (1440, 900)]


@pytest.fixture
def demo(visit) -> Page:
    """The page, as whoever comes for the first time finds it: nobody has signed in."""
    return open_demo(visit(at="about:blank"))


def open_demo(page: Page) -> Page:
    accounts.create_accounts()
    page.goto("/demo/")
    expect_live(page)
    return page


def expect_live(page: Page) -> None:
    expect(page.locator("[data-demo-connection]")).to_have_attribute("data-state", "live")


def figure(page: Page, name: str) -> Locator:
    return page.locator(f'[data-demo-figure="{name}"]')


def phone(page: Page) -> FrameLocator:
    return page.frame_locator(".demo-screen")


def expect_card(home: FrameLocator, product: str, step: str) -> None:
    """Of the one order there is: all products and all steps stand on that page anyway."""
    card = home.locator(".card-of-order")
    expect(card.get_by_role("link")).to_contain_text(product)
    expect(card.locator("[aria-current=step]")).to_have_text(step)


def expect_counts(page: Page, published: int, timeout: float = 5_000) -> None:
    expect(figure(page, "published")).to_have_text(str(published), timeout=timeout)
    expect(figure(page, "received")).to_have_text(str(published), timeout=timeout)
    expect(figure(page, "lost")).to_have_text("0")
    expect(figure(page, "doubled")).to_have_text("0")


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def expect_healed(page: Page) -> None:
    expect(page.locator("[data-word^=healed]")).to_be_visible(timeout=HEALED_MS)
    placed = Order.objects.count()
    assert placed >= 4  # it has gone on ordering
    expect_counts(page, placed)


def test_whoever_orders_sees_the_bell_of_the_phone_in_any_window(demo, subtests):
    for width, height in WINDOWS:
        with subtests.test(width=width, height=height):
            demo.set_viewport_size({"width": width, "height": height})
            expect(demo.get_by_role("button", name="Order", exact=True)).to_be_in_viewport(ratio=1)
            expect(phone(demo).locator("[data-bell-button]")).to_be_in_viewport(ratio=1)
            assert demo.evaluate("document.documentElement.scrollWidth") <= width


def test_what_the_shop_does_is_on_the_phone_in_milliseconds_without_signing_in(demo):
    press(demo, "Order")
    expect_counts(demo, 1)
    expect(figure(demo, "p50")).to_have_text(re.compile(r"^\d+(\.\d)?$"))
    assert float(figure(demo, "p99").inner_text()) < 1_000
    order = Order.objects.get()
    expect_card(phone(demo), order.product, "Placed")
    press(demo, "Ship")
    expect_counts(demo, 3)
    expect_card(phone(demo), order.product, "Shipped")
    press(demo, "200 at once")
    expect_counts(demo, 203)


def test_the_sessions_of_the_database_are_killed_and_nothing_is_lost(demo):
    connection.close()  # this one's own is not to be found dead
    press(demo, "Kill the database's sessions")
    expect(demo.locator("[data-word=broken-sessions]")).to_have_text(re.compile(r"killed: [1-9]"))
    expect_healed(demo)


def test_the_server_is_restarted_and_nothing_is_lost(demo, complaints):
    complaints.expect(
        "ERR_CONNECTION_REFUSED",
        "ERR_INCOMPLETE_CHUNKED",
        "ERR_EMPTY_RESPONSE",
        "ERR_CONNECTION_RESET",
        "ERR_NETWORK",
    )
    press(demo, "Restart the server")
    expect(demo.locator("[data-demo-connection]")).not_to_have_attribute("data-state", "live")
    expect_healed(demo)


@pytest.mark.slow  # a checkout with a PostgreSQL of its own, which is stopped for five seconds
def test_the_database_is_stopped_and_nothing_is_lost(checkout, browser):  # noqa: F811
    with checkout.runserver("--noreload") as site:
        page = browser.new_context(base_url=site.url).new_page()
        page.goto("/demo/")
        expect_live(page)
        press(page, "Stop the database for 5 s")
        expect(page.locator("[data-word=broken-database]")).to_be_visible()
        expect(page.locator("[data-word^=healed]")).to_be_visible(timeout=2 * HEALED_MS)
        published = int(figure(page, "published").inner_text())
        assert published >= 4  # it has gone on ordering
        expect_counts(page, published)
        site.end_by_ctrl_c(checkout)


def test_the_network_is_cut_and_nothing_is_lost(demo):
    press(demo, "Cut my network for 5 s")
    expect(demo.locator("[data-demo-connection]")).to_have_attribute("data-state", "offline")
    expect(figure(demo, "lost")).not_to_have_text("0")
    expect(demo.locator("[data-demo-bad=lost]")).to_have_attribute("data-is-bad", "")
    expect_healed(demo)


def test_five_more_tabs_open_no_more_connections(demo):
    expect(phone(demo).locator("[data-bell]")).to_be_attached()
    press(demo, "Open 5 tabs: no more connections")
    expect(figure(demo, "pages")).to_have_text("7", timeout=HEALED_MS)
    expect(figure(demo, "connections")).to_have_text("1")
    press(demo, "Order")
    expect_counts(demo, 1)
    last = demo.frame_locator("[data-demo-tab-list] iframe >> nth=4")
    expect_card(last, Order.objects.get().product, "Placed")


def test_it_stays_alices_when_somebody_else_is_signed_in(visit, shop):
    accounts.create_accounts()
    page = visit(shop, at="/demo/")
    expect(page.get_by_text("You are signed in as shop.")).to_be_visible()
    press(page, "Go on as Alice")
    expect_live(page)
    press(page, "Order")
    expect_counts(page, 1)


def test_it_has_no_violations_by_axe(axe, visit, subtests):
    demo = open_demo(visit(bypass_csp=True, at="about:blank"))
    for width in (360, 1280):
        with subtests.test(width=width):
            demo.set_viewport_size({"width": width, "height": 800})
            assert axe.violations(demo) == []
