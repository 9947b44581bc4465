"""Imports and exports in a real browser, with the worker that runserver brings along."""

import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from orders.models import Order
from orders.transfers.models import Transfer
from realtime import topic_of
from realtime.models import Event

from .bells import expect_live
from .following import is_question
from .test_accessibility import assert_inside

LONG_MS = 60_000
BLANK = "about:blank"
WIDTHS = [360, 1280]
# Of an import: a line that names nobody.
ERRORS = [[3, "customer", "no_customer", {"value": "bob"}]]
STRIP = "[data-transfers-strip]"
# Of each of the strip's items, in their order.
NOTE_VALUES = """() => {
  const strip = document.querySelector("[data-transfers-strip]");
  window.values = {};
  new MutationObserver(() => {
    for (const item of strip.querySelectorAll("li")) {
      (values[item.dataset.transfer] ??= []).push(item.querySelector("progress").value);
    }
  }).observe(strip, {subtree: true, attributes: true, childList: true});
}"""
# Of the strip's item, in their order.
NOTE_STATES = """() => {
  const strip = document.querySelector("[data-transfers-strip]");
  window.states = [];
  new MutationObserver(() => states.push(strip.querySelector("li")?.dataset.state))
    .observe(strip, {subtree: true, attributes: true, childList: true});
}"""


def test_a_bar_goes_along_in_every_tab_and_the_board_is_told(visit, shop, alice):
    page = visit(shop, at="/orders/transfers/")
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
    expect(other.get_by_text("Line 2002, customer: There is no customer “bob”.")).to_be_visible()


def test_it_can_be_cancelled(visit, shop, alice):
    page = visit(shop, at="/orders/transfers/")
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
    page = visit(shop, at="/orders/transfers/")
    page.get_by_role("button", name="Export all orders").click()
    link = page.get_by_role("link", name="Download")
    expect(link).to_be_visible(timeout=LONG_MS)
    with page.expect_download() as download:
        link.click()
    assert ",alice,Tea,1,2.50,placed," in download.value.path().read_text()
    assert Transfer.objects.get().state == "done"


def test_of_one_that_no_worker_takes_the_open_page_says_what_to_do(visit, shop):
    waiting = Transfer.objects.create(kind="export", name="orders.csv", started_by=shop)
    page = visit(shop, at=BLANK, own=True)  # the clock is the session's
    page.clock.install()
    page.goto("/orders/transfers/")
    expect_live(page)
    untaken = page.get_by_text("This command runs one: manage.py db_worker")
    expect(page.locator(".transfer")).to_have_attribute("data-state", "waiting")
    expect(untaken).to_be_hidden()
    expect(page.locator("[data-transfer-count]")).to_be_hidden()  # not “0 of 0”
    page.clock.fast_forward("00:31")
    expect(untaken).to_be_visible()
    waiting.total = 7
    waiting.save(update_fields=["total"])
    tell(waiting, 2, "running")
    expect(untaken).to_be_hidden()
    expect(page.locator("[data-transfer-count]")).to_have_text("2 of 7")


@pytest.fixture
def transfer(shop) -> Transfer:
    """One that this test works on, in the place of a worker."""
    return Transfer.objects.create(
        kind="import",
        name="spring catalogue of all our suppliers.csv",
        state="running",
        started_by=shop,
        started_at=timezone.now(),
        total=10_000,
    )


def tell(transfer, done, state="running"):
    transfer.done, transfer.state = done, state
    transfer.save_and_publish("done", "state")


def test_the_strip_is_in_every_tab_and_on_every_page_over_the_one_connection(visit, shop, transfer):
    page = visit(shop, at=BLANK)
    opened = []
    page.context.on("request", lambda sent: opened.append(sent) if is_stream(sent) else None)
    page.context.on("requestfailed", lambda sent: sent in opened and opened.remove(sent))
    page.context.on("requestfinished", lambda sent: sent in opened and opened.remove(sent))
    tabs = [page, *(page.context.new_page() for _ in range(2))]
    for tab, path in zip(tabs, ["/orders/", "/notifications/", "/"], strict=True):
        tab.goto(path)
        expect_live(tab)
    tell(transfer, 2_500)
    for tab in tabs:
        expect(tab.locator(f"{STRIP} progress")).to_have_js_property("value", 2_500)
        expect(tab.locator(f"{STRIP} [data-transfer-done]")).to_have_text("2,500")
        expect(tab.locator(f"{STRIP} [data-transfer-rate]")).to_have_text(re.compile(r"^[\d,]+$"))
        expect(tab.locator(f"{STRIP} [data-transfer-left]")).to_have_text(re.compile(r"sec|min"))
    assert len(opened) == 1, [sent.url for sent in opened]
    for tab in tabs:
        tab.evaluate(NOTE_STATES)
    tell(transfer, 10_000, "done")
    for tab in tabs:
        expect(tab.locator(STRIP)).to_be_hidden(timeout=LONG_MS)  # the bell tells of it
        assert "done" in tab.evaluate("states")


def is_stream(sent) -> bool:
    return sent.method == "GET" and sent.resource_type == "eventsource" and not is_question(sent)


def test_a_page_that_is_opened_in_the_middle_has_it_before_the_next_event(visit, shop, transfer):
    tell(transfer, 4_000)
    page = visit(shop)
    expect(page.locator(f"{STRIP} progress")).to_have_js_property("value", 4_000)
    page.locator(STRIP).get_by_role("link").click()
    page.wait_for_url("**/orders/transfers/")
    expect(page.locator("main progress")).to_have_js_property("value", 4_000)
    expect(page.locator(STRIP)).to_have_count(0)  # it would say it twice


def test_the_strip_is_for_the_staff_and_takes_a_script(visit, shop, alice, transfer):
    tell(transfer, 4_000)
    page = visit(alice)
    expect_live(page)
    expect(page.locator(STRIP)).to_have_count(0)
    page = visit(shop, java_script_enabled=False)
    expect(page.locator(STRIP)).to_be_hidden()


def show_strip_with_errors(page, transfer):
    transfer.error_count = 12
    transfer.save(update_fields=["error_count"])
    tell(transfer, 4_000)
    expect(page.locator(f"{STRIP} [data-transfer-problems]")).to_be_visible()


def test_the_strip_fits_its_window(visit, shop, transfer, subtests):
    page = visit(shop)
    show_strip_with_errors(page, transfer)
    for width in WIDTHS:
        with subtests.test(width=width):
            page.set_viewport_size({"width": width, "height": 700})
            for part in ("a", "progress", ".transfer-figures"):
                assert_inside(page, f"{STRIP} {part}", width)
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_strip_has_no_violations_by_axe(axe, visit, shop, transfer, subtests):
    page = visit(shop, bypass_csp=True)
    show_strip_with_errors(page, transfer)
    for width in WIDTHS:
        with subtests.test(width=width):
            page.set_viewport_size({"width": width, "height": 700})
            assert axe.violations_in_light_and_dark(page) == []


def test_the_page_has_no_violations_by_axe(axe, visit, shop, transfer):
    """Also of one that can be cancelled, one with a file, one with errors and one that failed."""
    Transfer.objects.bulk_create(
        Transfer(kind=kind, state=state, name="orders.csv", started_by=shop, **fields)
        for kind, state, fields in (
            ("export", "done", {"done": 7, "total": 7}),
            ("import", "done", {"done": 7, "total": 7, "error_count": 1, "errors": ERRORS}),
            ("export", "failed", {"done": 2, "total": 7}),
        )
    )
    page = visit(shop, bypass_csp=True, at="/orders/transfers/")
    expect_live(page)
    expect(page.locator("main .transfer")).to_have_count(4)
    expect(page.get_by_role("link", name="Download")).to_be_visible()
    assert axe.violations_in_light_and_dark(page) == []


@pytest.mark.slow  # 10,000 rows in and out, which are some 20 seconds
def test_ten_thousand_rows_go_in_and_out_and_the_strip_goes_along(visit, shop, alice):
    rows = 10_000
    page = visit(shop, at="/orders/transfers/")
    board = page.context.new_page()
    board.goto("/orders/")
    expect_live(board)
    board.evaluate(NOTE_VALUES)
    lines = ["customer,product,quantity,unit_price", *["alice,Tea,1,2.50"] * rows]
    file = {"name": "many.csv", "mimeType": "text/csv", "buffer": "\n".join(lines).encode()}
    page.get_by_label("CSV file").set_input_files(file)
    page.get_by_role("button", name="Import").click()
    expect(page.locator(".transfer")).to_have_attribute("data-state", "done", timeout=240_000)
    assert Order.objects.count() == rows
    page.get_by_role("button", name="Export all orders").click()
    link = page.get_by_role("link", name="Download")
    expect(link).to_be_visible(timeout=240_000)
    with page.expect_download() as download:
        link.click()
    assert len(download.value.path().read_text().splitlines()) == rows + 1
    expect(board.locator(STRIP)).to_be_hidden(timeout=LONG_MS)
    for transfer in Transfer.objects.all():
        values = board.evaluate("transfer => values[transfer]", str(transfer.pk))
        assert values == sorted(values)  # it never runs backwards
        assert values[-1] == rows
        # Of one key only the newest is kept; all others were overtaken or emptied.
        living = Event.objects.filter(topic=topic_of(transfer), key="progress")
        assert living.count() == 1
