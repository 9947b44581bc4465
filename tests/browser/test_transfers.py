"""Imports and exports in a real browser, with the worker that runserver brings along."""

import pytest
from playwright.sync_api import expect

from orders.models import Order
from orders.transfers.models import Transfer

from .test_accessibility import violations

pytestmark = pytest.mark.browser
LONG_MS = 60_000


def test_a_bar_goes_along_in_every_tab_and_the_board_is_told(visit, shop, alice):
    page = visit(shop)
    page.goto("/orders/transfers/")
    other = page.context.new_page()
    other.goto("/orders/transfers/")
    lines = ["customer,product,quantity,unit_price", *["alice,Tea,1,2.50"] * 2_000, "bob,Tea,1,1"]
    file = {"name": "many.csv", "mimeType": "text/csv", "buffer": "\n".join(lines).encode()}
    page.get_by_label("CSV file").set_input_files(file)
    seen = "window.seen = new Set(); new MutationObserver(() => seen.add("
    seen += "document.querySelector('progress')?.value)).observe(document.body,"
    other.evaluate(f"() => {{ {seen} {{subtree: true, attributes: true, childList: true}}) }}")
    page.get_by_role("button", name="Import").click()
    for tab in (page, other):
        expect(tab.locator(".transfer")).to_have_attribute("data-state", "done", timeout=LONG_MS)
        expect(tab.locator("[data-transfer-done]")).to_have_text("2,001")
        expect(tab.locator("[data-transfer-errors]")).to_have_text("1")
        expect(tab.locator("progress")).to_have_js_property("value", 2_001)
    values = other.evaluate("[...seen].filter(value => value !== undefined)")
    assert values == sorted(values)  # it never runs backwards
    assert len(values) >= 3
    assert Order.objects.count() == 2_000
    other.get_by_role("link", name="See what is wrong").click()
    expect(other.get_by_text("Line 2002: There is no customer “bob”.")).to_be_visible()


def test_it_can_be_cancelled(visit, shop, alice):
    page = visit(shop)
    page.goto("/orders/transfers/")
    lines = ["customer,product,quantity,unit_price", *["alice,Tea,1,2.50"] * 20_000]
    file = {"name": "many.csv", "mimeType": "text/csv", "buffer": "\n".join(lines).encode()}
    page.get_by_label("CSV file").set_input_files(file)
    page.get_by_role("button", name="Import").click()
    expect(page.locator(".transfer")).to_have_attribute("data-state", "running", timeout=LONG_MS)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".transfer")).to_have_attribute("data-state", "cancelled", timeout=LONG_MS)
    assert Order.objects.count() < 20_000


def test_the_exported_file_is_downloaded(visit, shop, alice):
    Order.objects.create(customer=alice, product="Tea", quantity=1, unit_price="2.50")
    page = visit(shop, bypass_csp=True)
    page.goto("/orders/transfers/")
    page.get_by_role("button", name="Export all orders").click()
    link = page.get_by_role("link", name="Download")
    expect(link).to_be_visible(timeout=LONG_MS)
    with page.expect_download() as download:
        link.click()
    assert ",alice,Tea,1,2.50,placed," in download.value.path().read_text()
    assert violations(page) == []
    assert Transfer.objects.get().state == "done"
