"""Every page, for everyone: without violations by axe (https://github.com/dequelabs/axe-core), by
keyboard, in narrow windows, from right to left, in colours that the system chooses.
"""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from orders.models import Order

from .bells import (
    ELSEWHERE,
    expect_live,
    move_on,
    open_bell,
    panel,
    place,
    row,
    rows,
    titles,
)

WIDTHS = [320, 360, 768, 1280]
DIRECTIONS = ["ltr", "rtl"]


@pytest.fixture
def orders(alice) -> list[Order]:
    """One of each status, and what they say takes as much room as it can."""
    delivered, cancelled = place(alice, "Teapot"), place(alice, "Espresso cups")
    move_on(delivered, "paid", "shipped", "delivered")
    move_on(cancelled, "cancelled")
    widest = place(alice, "Unbreakable" * 18, quantity=10_000, unit_price="99999999.99")
    return [delivered, cancelled, widest]


@pytest.fixture
def pages(orders) -> list[tuple[str, str]]:
    """The addresses that Alice can come to, and what has to be there before it can be judged."""
    return [
        ("/notifications/", "main .bell-item >> nth=2"),
        ("/notifications/?show=archived&q=nothing", "main .bell-empty"),
        ("/notifications/choices/", "main fieldset"),
        (f"/orders/{orders[0].pk}/", ".timeline"),
        ("/orders/", ".notice"),  # which she may not
    ]


class TestAxe:
    def test_the_pages_of_a_customer(self, axe, visit, complaints, alice, pages):
        complaints.expect("403")
        found = axe.violations_in_light_and_dark(visit(bypass_csp=True))
        page = visit(alice, bypass_csp=True)
        for address, judged in pages:
            page.goto(address)
            expect(page.locator(judged).first).to_be_visible()
            found += axe.violations_in_light_and_dark(page)
        assert found == []

    def test_the_bell_with_all_that_it_can_show(self, axe, visit, alice, orders):
        page = visit(alice, bypass_csp=True)
        expect_live(page)
        row(page, "Espresso cups").get_by_role("button", name="Mark as read").click()
        expect(rows(page, "read")).to_have_count(1)
        page.locator("main summary").first.click()
        row(page, "Teapot").hover()
        row(page, "Teapot").get_by_role("button", name="Archive").click()
        expect(page.locator("[data-bell-undo] button")).to_be_visible()
        page.keyboard.press("?")
        found = axe.violations_in_light_and_dark(page)

        page.goto(ELSEWHERE)
        expect_live(page)
        for number in range(5):
            place(alice, f"Spoon {number}")
        expect(page.locator(".bell-toast-more")).to_be_visible()
        found += axe.violations_in_light_and_dark(page)
        page.route("**/notifications/change/", lambda route: None)
        open_bell(page)
        expect(panel(page).locator("[data-state=new]")).not_to_have_count(0)
        found += axe.violations_in_light_and_dark(page)
        assert found == []

    def test_the_board_of_the_staff(self, axe, visit, shop, orders):
        page = visit(shop, bypass_csp=True, at="/orders/")
        expect(page.locator(".board-table tbody tr")).to_have_count(len(orders))
        assert axe.violations_in_light_and_dark(page) == []

    def test_the_page_to_try_the_api(self, axe, visit, alice):
        page = visit(alice, bypass_csp=True, at="/api/docs/")
        expect(page.locator(".opblock-summary-control")).not_to_have_count(0)
        expect(page.locator("[role=region].information-container")).to_be_visible()
        assert axe.violations_in_light_and_dark(page) == []

    def test_the_header_of_the_admin(self, axe, visit, alice, shop):
        place(shop, "Teapot")
        page = visit(shop, bypass_csp=True, at="/admin/")
        expect_live(page)
        place(shop, "Espresso cups")
        expect(page.locator(".bell-toast")).to_be_visible()
        found = axe.violations_in_light_and_dark(page, "#header .bell")
        page.route("**/notifications/change/", lambda route: None)
        open_bell(page)
        found += axe.violations_in_light_and_dark(page, "#header .bell")
        assert found == []


def test_the_bell_by_keyboard_alone(visit, alice):
    place(alice, "Teapot")
    page = visit(alice)
    expect_live(page)
    page.goto(ELSEWHERE)
    expect_live(page)
    button = page.locator("[data-bell-button]")
    page.locator(".account button").focus()
    page.keyboard.press("Tab")
    expect(button).to_be_focused()
    expect(button).to_have_accessible_name(re.compile(r"^Notifications,\s1\sunread$"))

    page.keyboard.press("Enter")
    expect(panel(page)).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel(page)).to_be_hidden()
    expect(button).to_be_focused()

    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(panel(page).get_by_role("button", name="Mark all as read")).to_be_focused()
    page.keyboard.press("Tab")
    link = panel(page).get_by_role("link", name="Placed · 2 × Teapot")
    expect(link).to_be_focused()
    page.keyboard.press("Tab")
    expect(panel(page).get_by_role("button", name="Mark as read")).to_be_focused()
    page.keyboard.press("Enter")
    expect(panel(page).locator("[data-state=read]")).to_have_count(1)
    expect(link).to_be_focused()
    expect(button).to_have_accessible_name("Notifications")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="What has happened")).to_be_visible()


def test_it_fits_its_window(visit, complaints, alice, pages, subtests):
    complaints.expect("403")
    page = visit(alice)
    for address, judged in pages:
        page.goto(address)
        expect(page.locator(judged).first).to_be_visible()
        for width, direction in shapes(page):
            with subtests.test(address=address, width=width, direction=direction):
                assert page.evaluate("document.documentElement.scrollWidth") == width


def test_bell_and_toasts_fit_the_window(visit, alice, orders, subtests):
    page = visit(alice, at=ELSEWHERE)
    expect_live(page)
    place(alice)
    expect(page.locator(".bell-toast")).to_be_visible()
    page.locator(".bell-toast a").first.focus()  # it stays as long as somebody is at it
    for width, direction in shapes(page):
        with subtests.test(shown="toast", width=width, direction=direction):
            assert_inside(page, ".bell-toast", width)
    open_bell(page)
    for width, direction in shapes(page):
        with subtests.test(shown="bell", width=width, direction=direction):
            assert_inside(page, "[data-bell-panel]", width)
            assert_inside(page, "[data-bell-panel] .bell-act-read >> nth=0", width)
            assert page.evaluate("document.documentElement.scrollWidth") == width


def shapes(page: Page) -> Iterator[tuple[int, str]]:
    """All widths and directions, one after the other, which the page then has."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 640})
        for direction in DIRECTIONS:
            page.evaluate("direction => { document.documentElement.dir = direction; }", direction)
            yield width, direction


def assert_inside(page: Page, selector: str, width: int) -> None:
    box = page.locator(selector).bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert box["y"] >= 0


def test_what_is_unread_shows_where_the_system_chooses_the_colours(visit, alice):
    place(alice)
    page = visit(alice)
    page.emulate_media(forced_colors="active")
    expect(titles(page)).to_have_count(1)
    dot = "getComputedStyle(document.querySelector('main .bell-act-read'), '::before')"
    page_color = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert page.evaluate(f"{dot}.backgroundColor") not in (page_color, "rgba(0, 0, 0, 0)")


def test_on_paper_stands_what_is_said_and_nothing_to_press(visit, alice):
    place(alice, "Teapot")
    page = visit(alice)
    expect(titles(page)).to_have_count(1)
    page.emulate_media(media="print")
    expect(titles(page)).to_be_visible()
    expect(page.locator("main .bell-sentence")).to_be_visible()
    expect(page.locator("button:visible")).to_have_count(0)


def test_the_pages_need_no_script_or_style_but_their_own_files(visit, complaints, alice, pages):
    """What they ask of other hosts, and what their policy refuses, are complaints anyway."""
    complaints.expect("403")
    page = visit(alice)
    for address, _ in pages:
        response = page.goto(address)
        policy = response.headers["content-security-policy"].split("; ")
        assert {"script-src 'self'", "style-src 'self'"} <= set(policy)
        inline = page.locator("script:not([src]), style, [style], [onclick]")
        expect(inline).to_have_count(0)


def test_at_400_percent_whole_rows_can_be_read_in_the_panel(visit, alice):
    place(alice, "Teapot")
    page = visit(alice, at="about:blank")
    page.set_extra_http_headers({"Accept-Language": "de-DE"})
    page.set_viewport_size({"width": 320, "height": 256})  # 1280 × 1024 pixels at 400 %
    page.goto("/notifications/")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect_live(page)
    open_bell(page)
    item = panel(page).locator("[data-bell-row]").first
    item.scroll_into_view_if_needed()
    box = item.bounding_box()
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= 256
    assert page.evaluate("document.documentElement.scrollWidth") == 320
