"""Makes the pictures in docs/ of the bell, the pages behind it and the staff's board.

    python -m tests.browser.screenshots            all of them
    python -m tests.browser.screenshots bell-dark  one, or some

It needs Chromium (Debian's package `chromium`) and a PostgreSQL, as the tests do; it works in a
test database of its own, which it drops again.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

# ruff: noqa: E402  (models can be imported only from here on)
from django.contrib.auth import get_user_model
from django.test.utils import setup_databases, teardown_databases
from playwright.sync_api import Browser, BrowserContext, Page, expect

from orders.models import Order
from tests.browser.chromium import chromium, playing, sign_in
from tests.conftest import PASSWORD
from tests.servers import running_server

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
WIDE = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "is_mobile": True}
DARK = {"color_scheme": "dark"}


@dataclass(frozen=True)
class Picture:
    """What to look at, and how."""

    path: str = "/notifications/"
    user: str = "alice"
    options: dict[str, Any] = field(default_factory=lambda: WIDE)
    prepare: Callable[[Page], None] = lambda page: None


def open_bell(page: Page) -> None:
    # Opening it marks all as seen: not now, so that the next picture has new ones too.
    page.route("**/notifications/change/", lambda route: route.abort())
    page.locator("[data-bell-button]").click()
    expect(page.locator("[data-bell-panel]")).to_be_visible()


def ring_often(page: Page) -> None:
    alice = get_user_model().objects.get(username="alice")
    for product in ("Salad bowl", "Bread knife", "Egg timer", "Corkscrew", "Apron"):
        place(alice, product, 1, "27.50")
    expect(page.locator(".bell-toast-more")).to_contain_text("2 more")


def all_read(page: Page) -> None:
    expect(page.locator("[data-bell-badge]")).to_be_hidden()


def oldest_order(page: Page) -> None:
    page.locator("main [data-bell-link]").last.click()
    expect(page.locator(".timeline")).to_be_visible()


PICTURES = {
    "bell-wide": Picture("/notifications/choices/", prepare=open_bell),
    "bell-phone": Picture("/notifications/choices/", options=PHONE, prepare=open_bell),
    "bell-dark": Picture("/notifications/choices/", options={**WIDE, **DARK}, prepare=open_bell),
    "inbox-wide": Picture(),
    "inbox-phone": Picture(options=PHONE),
    "inbox-dark": Picture(options={**WIDE, **DARK}),
    "order-wide": Picture(prepare=oldest_order),
    "admin-wide": Picture("/admin/", "shop", prepare=open_bell),
    "board-wide": Picture("/orders/", "shop"),
    "board-dark": Picture("/orders/", "shop", {**WIDE, **DARK}),
    "board-phone": Picture("/orders/", "shop", PHONE),
    # Late, for what it shows has been read then.
    "home-wide": Picture("/", prepare=all_read),
    "home-phone": Picture("/", options=PHONE, prepare=all_read),
    # Last, for a few orders more are placed for it.
    "toasts-wide": Picture("/notifications/choices/", prepare=ring_often),
}


@contextmanager
def own_database() -> Iterator[None]:
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        yield
    finally:
        teardown_databases(databases, verbosity=0)


def place(customer: Any, product: str, quantity: int, unit_price: str, **ago: float) -> Order:
    return Order.objects.create(
        customer=customer,
        product=product,
        quantity=quantity,
        unit_price=unit_price,
        placed_at=datetime.now(UTC) - timedelta(**ago),
    )


def move_on(order: Order, status: str, **ago: float) -> None:
    order.status = status
    with patch("orders.models.timezone.now", lambda: datetime.now(UTC) - timedelta(**ago)):
        order.save()


def fill_the_shop(page: Page) -> None:
    """Alice's notifications, some read, some seen, some new; and what others have ordered."""
    users = get_user_model().objects
    alice, bob, shop = (users.get(username=name) for name in ("alice", "bob", "shop"))
    teapot = place(alice, "Teapot, 1.2 l", 1, "46.00", days=3)
    move_on(teapot, "paid", days=3, minutes=-9)
    move_on(teapot, "shipped", days=2, hours=3)
    move_on(teapot, "delivered", hours=20)
    expect(page.locator("main [data-state=seen] strong")).to_have_text("Delivered")
    page.locator("main .bell-read-all").click()
    expect(page.locator("main [data-state=read]")).to_have_count(1)

    cups = place(alice, "Espresso cups", 6, "8.50", hours=5)
    move_on(cups, "paid", hours=4)
    expect(page.locator("main [data-state=seen] strong")).to_have_text("Paid")
    page.goto("/notifications/choices/")
    move_on(cups, "shipped", minutes=40)
    place(alice, "Linen napkins", 4, "5.90", minutes=12)
    expect(page.locator("[data-bell-badge]")).to_have_text("2")

    for number, product in enumerate(
        ("Kettle", "Milk jug", "Cake stand", "Sugar bowl", "Tray") * 5
    ):
        customer = (bob, shop)[number % 7 == 3]
        minutes = 56 - 2 * number
        order = place(customer, product, 1 + number % 4, f"{12 + number}.90", minutes=minutes)
        for step, status in enumerate(("paid", "shipped", "delivered")[: number % 4], 1):
            move_on(order, status, minutes=minutes * (1 - step / 4))


def session(browser: Browser, url: str, username: str) -> list[Any]:
    page = browser.new_page()
    sign_in(page, url, username, PASSWORD)
    cookies = page.context.cookies()
    page.close()  # it shows orders, and what one looks at is read
    return cookies


def take(context: BrowserContext, url: str, name: str, picture: Picture) -> None:
    page = context.new_page()
    page.goto(f"{url}{picture.path}")
    expect(page.locator(".bell-connection").first).to_have_attribute("data-state", "live")
    picture.prepare(page)
    page.screenshot(path=DOCS / f"{name}.png", animations="disabled")
    print(f"docs/{name}.png")


def main(names: list[str]) -> None:
    DOCS.mkdir(exist_ok=True)
    with (
        own_database(),
        running_server("runserver") as site,
        playing() as playwright,
        chromium(playwright) as browser,
    ):
        users = get_user_model().objects
        users.create_user("alice", password=PASSWORD)
        users.create_user("bob", password=PASSWORD)
        users.create_superuser("shop", password=PASSWORD)
        cookies = {name: session(browser, site.url, name) for name in ("alice", "shop")}
        page = browser.new_page(base_url=site.url)
        page.context.add_cookies(cookies["alice"])
        page.goto("/notifications/")
        fill_the_shop(page)
        page.close()
        for name in names or PICTURES:
            picture = PICTURES[name]
            context = browser.new_context(
                locale="en-GB", timezone_id="Europe/Berlin", **picture.options
            )
            context.add_cookies(cookies[picture.user])
            take(context, site.url, name, picture)
            context.close()


if __name__ == "__main__":
    main(sys.argv[1:])
