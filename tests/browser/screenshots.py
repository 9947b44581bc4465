"""Makes the pictures of the bell in docs/: bell-wide.png, bell-phone.png, bell-dark.png.

    python -m tests.browser.screenshots

It needs Chromium (Debian's package `chromium`) and a PostgreSQL, as the tests do; it works in a
test database of its own, which it drops again.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

# ruff: noqa: E402  (models can be imported only from here on)
from django.contrib.auth import get_user_model
from django.test.utils import setup_databases, teardown_databases
from playwright.sync_api import expect

from orders.models import Order
from tests.browser.chromium import chromium, sign_in
from tests.conftest import PASSWORD
from tests.servers import running_server

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
PICTURES = {
    "bell-wide.png": {"viewport": {"width": 1280, "height": 800}},
    "bell-phone.png": {
        "viewport": {"width": 360, "height": 740},
        "device_scale_factor": 2,
        "is_mobile": True,
    },
    "bell-dark.png": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
}


@contextmanager
def own_database() -> Iterator[None]:
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        yield
    finally:
        teardown_databases(databases, verbosity=0)


def place(customer, product: str, quantity: int, unit_price: str, placed_at: datetime) -> Order:
    return Order.objects.create(
        customer=customer,
        product=product,
        quantity=quantity,
        unit_price=unit_price,
        placed_at=placed_at,
    )


def move_on(order: Order, *statuses: str) -> None:
    for status in statuses:
        order.status = status
        order.save()


def main() -> None:
    DOCS.mkdir(exist_ok=True)
    with own_database(), running_server("runserver") as site, chromium() as browser:
        alice = get_user_model().objects.create_user("alice", password=PASSWORD)
        page = browser.new_page()
        sign_in(page, site.url, "alice", PASSWORD)

        teapot = place(alice, "Teapot, 1.2 l", 1, "46.00", datetime(2026, 3, 9, 17, 41, tzinfo=UTC))
        move_on(teapot, "paid", "shipped", "delivered")
        cups = place(alice, "Espresso cups", 6, "8.50", datetime(2026, 3, 11, 8, 12, tzinfo=UTC))
        expect(page.locator("[data-new]")).to_have_count(5)
        page.get_by_role("button", name="Mark all as seen").click()
        expect(page.locator("[data-new]")).to_have_count(0)

        move_on(cups, "paid", "shipped")
        place(alice, "Linen napkins", 4, "5.90", datetime(2026, 3, 12, 7, 55, tzinfo=UTC))
        expect(page.locator("[data-new]")).to_have_count(3)

        cookies = page.context.cookies()
        for name, options in PICTURES.items():
            context = browser.new_context(locale="en-GB", timezone_id="Europe/Berlin", **options)
            context.add_cookies(cookies)
            page = context.new_page()
            page.goto(site.url)
            expect(page.get_by_text("Live", exact=True)).to_be_visible()
            page.screenshot(path=DOCS / name, animations="disabled")
            print(f"docs/{name}")


if __name__ == "__main__":
    main()
