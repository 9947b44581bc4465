"""What a visitor sees of their bell, and does with it."""

import json
from typing import Any

from playwright.sync_api import Locator, Page, expect

from orders.models import Order

ONE_SECOND_MS = 1_000
# For what includes the wait before a browser reconnects.
RECONNECTED_MS = 20_000

# A page with the bell and without a list.
ELSEWHERE = "/notifications/choices/"
BLANK = "about:blank"

# All that a page says about notifications, but for what passes: toasts, announcements. It is the
# same however it came there: rendered by the server, or made of events.
SHOWN = """() => JSON.stringify({
  title: document.title,
  rows: [...document.querySelectorAll("[data-bell-row]:not([hidden])")].map(row => [
    row.dataset.subject, row.dataset.position, row.dataset.state, row.className,
    row.querySelector("[data-bell-link]").getAttribute("href"),
    row.querySelector("[data-bell-link]").textContent,
    row.querySelector(".bell-sentence").textContent,
    [...row.querySelectorAll("time")].map(time => time.dateTime),
  ]),
  counts: [...document.querySelectorAll(
    "[data-bell-badge], [data-bell-count], [data-bell-some-unread], [data-bell-none-unread], " +
    "[data-plural]",
  )].filter(element => !element.closest("[data-bell-toasts], [data-bell-announcer], template"))
    .map(element => [
      element.hidden, element.dataset.new, element.childElementCount ? "" : element.textContent,
    ]),
})"""


def place(customer: Any, product: str = "Espresso cups", **fields: Any) -> Order:
    fields = {"quantity": 2, "unit_price": "4.50", **fields}
    return Order.objects.create(customer=customer, product=product, **fields)


def place_many(customer: Any, count: int) -> list[Order]:
    """In one transaction: they are published together."""
    return Order.objects.bulk_create(
        Order(customer=customer, product=f"Spoon {number}", quantity=1, unit_price="1.20")
        for number in range(count)
    )


def move_on(order: Order, *statuses: str) -> None:
    for status in statuses:
        order.status = status
        order.save()


def connection(page: Page) -> Locator:
    return page.locator("[data-bell-connection]").first


def expect_live(page: Page) -> None:
    expect(connection(page)).to_have_attribute("data-state", "live", timeout=RECONNECTED_MS)


def badge(page: Page) -> Locator:
    return page.locator("[data-bell-badge]")


def panel(page: Page) -> Locator:
    return page.locator("[data-bell-panel]")


def titles(page: Page) -> Locator:
    """Of the rows of the inbox, the newest first."""
    return page.locator("main [data-bell-row]:not([hidden]) [data-bell-title]")


def rows(page: Page, state: str) -> Locator:
    """The rows of the inbox in this state: new, seen or read."""
    return page.locator(f"main [data-bell-row][data-state={state}]:not([hidden])")


def row(page: Page, title: str) -> Locator:
    return page.locator("main [data-bell-row]:not([hidden])", has_text=title)


def open_bell(page: Page) -> None:
    page.locator("[data-bell-button]").click()
    expect(panel(page)).to_be_visible()


def close_bell(page: Page) -> None:
    page.keyboard.press("Escape")
    expect(panel(page)).to_be_hidden()


def mark_all_as_read(page: Page) -> None:
    page.locator("main .bell-read-all").click()


def shown(page: Page) -> str:
    return page.evaluate(SHOWN)


def expect_shown(page: Page, expected: str) -> None:
    """The page says exactly what another one has said (see `shown`)."""
    try:
        page.wait_for_function(f"expected => ({SHOWN})() === expected", arg=expected)
    except Exception as error:
        raise AssertionError(
            f"The page shows\n{json.loads(shown(page))}\ninstead of\n{json.loads(expected)}"
        ) from error


def come_back(page: Page) -> None:
    """What a browser does when its network is back: the bell connects anew."""
    page.evaluate("dispatchEvent(new Event('online'))")


def look_again(page: Page) -> None:
    """What a browser does when somebody turns to its window again."""
    page.evaluate("dispatchEvent(new Event('focus'))")


def lose_the_network(page: Page) -> None:
    page.context.set_offline(True)
    # A stream that is open stays so, though Chromium says it is offline: have it opened anew.
    with page.expect_event("requestfailed"):
        come_back(page)
    expect(connection(page)).to_have_attribute("data-state", "offline")


def find_the_network(page: Page) -> None:
    page.context.set_offline(False)
