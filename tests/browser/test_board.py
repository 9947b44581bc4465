"""The staff's board in a real browser, against a real server."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from playwright.sync_api import Locator, Page, Route, expect

from orders.board import KEPT
from orders.models import Order

from ..servers import running_server

BLANK = "about:blank"
# For what includes the wait before a browser reconnects.
RECONNECTED_MS = 20_000


def place(customer, product: str = "Espresso cups", **fields) -> Order:
    fields = {"quantity": 2, "unit_price": "4.50", **fields}
    return Order.objects.create(customer=customer, product=product, **fields)


def place_many(customer, count: int) -> list[Order]:
    return Order.objects.bulk_create(
        Order(customer=customer, product=f"Spoon {number}", quantity=1, unit_price="4.50")
        for number in range(count)
    )


def move_on(order: Order, *statuses: str) -> None:
    for status in statuses:
        order.status = status
        order.save()


def open_board(page: Page, query: str = "") -> Page:
    page.goto(f"/orders/{query}")
    expect_live(page)
    return page


def expect_live(page: Page) -> None:
    live = page.locator("[data-board-connection] [data-when=live]")
    expect(live).to_be_visible(timeout=RECONNECTED_MS)


def connection(page: Page) -> Locator:
    return page.locator("[data-board-connection]")


def rows(page: Page) -> Locator:
    return page.locator("[data-board-rows] > tr")


def row(page: Page, order: Order) -> Locator:
    return page.locator(f'[data-board-rows] > tr[data-order="{order.pk}"]')


def products(page: Page) -> Locator:
    return page.locator("[data-board-rows] [data-field=product]")


def count(page: Page, status: str) -> Locator:
    return page.locator(f'[data-board-fresh="count-{status}"]')


def test_orders_come_on_top_and_change_in_place_in_the_table_the_counts_and_the_chart(
    visit, shop, alice, bob
):
    page = open_board(visit(shop, at=BLANK))
    expect(page.get_by_text("No orders yet")).to_be_visible()
    tea = place(alice, "Tea")
    cups = place(bob, "Espresso cups")
    expect(products(page)).to_have_text(["Espresso cups", "Tea"])
    expect(page.get_by_text("No orders yet")).to_be_hidden()
    expect(row(page, cups)).to_contain_text("bob")

    move_on(tea, "paid")
    expect(row(page, tea).locator("[data-board-chip]")).to_have_text("Paid")
    expect(products(page)).to_have_text(["Espresso cups", "Tea"])

    expect(count(page, "")).to_have_text("2")
    expect(count(page, "placed")).to_have_text("1")
    expect(count(page, "paid")).to_have_text("1")
    expect(page.get_by_text("2 orders in the last hour")).to_be_visible()
    # One bar, unless a minute has begun between the two.
    assert page.locator(".board-chart rect").count() in (1, 2)


def test_an_order_that_is_deleted_leaves_the_list_and_the_counts(visit, shop, alice):
    stays, goes = place(alice, "Tea"), place(alice, "Espresso cups")
    page = open_board(visit(shop, at=BLANK))
    expect(products(page)).to_have_text(["Espresso cups", "Tea"])
    goes.delete()
    expect(products(page)).to_have_text(["Tea"])
    expect(count(page, "placed")).to_have_text("1", timeout=RECONNECTED_MS)
    stays.delete()
    expect(page.get_by_text("No orders yet")).to_be_visible()


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_what_comes_live_looks_as_if_the_server_had_rendered_it(visit, shop, alice, locale):
    page = open_board(visit(shop, locale=locale, at=BLANK), "?customer=alice")
    place(alice, "<b>Cups</b> & \u202esrecuas", unit_price="1234.50")
    move_on(place(alice), "paid")
    cancelled = place(alice)
    move_on(cancelled, "cancelled")
    expect(row(page, cancelled)).to_have_attribute("data-status", "cancelled")
    live = rows_html(page)
    page.reload()
    expect_live(page)
    assert live == rows_html(page)
    assert len(live) == 3


def rows_html(page: Page) -> list[str]:
    return [re.sub(r"\s+", " ", row.inner_html()) for row in rows(page).all()]


def test_live_rows_obey_the_filter(visit, shop, alice, bob):
    page = open_board(visit(shop, at=BLANK), "?status=placed&customer=alice&product=straße")
    place(alice, "Tea")
    place(bob, "Map of the STRAßE")
    order = place(alice, "Map of the STRAßE")
    expect(products(page)).to_have_text(["Map of the STRAßE"])
    expect(count(page, "placed")).to_have_text("1")
    move_on(order, "paid")
    expect(rows(page)).to_have_count(0)
    expect(page.get_by_text("No order matches")).to_be_visible()
    expect(count(page, "paid")).to_have_text("1")
    expect(count(page, "placed")).to_have_text("0")


def test_older_pages_stay_as_they_are_but_for_the_status(visit, shop, alice):
    orders = place_many(alice, KEPT + 2)
    page = open_board(visit(shop, at=BLANK))
    place(alice, "The newest")
    expect(rows(page)).to_have_count(KEPT)
    expect(products(page).first).to_have_text("The newest")
    page.get_by_role("link", name="Older orders").click()
    expect_live(page)
    older = ["Spoon 2", "Spoon 1", "Spoon 0"]  # and none of those that the first page shows
    expect(products(page)).to_have_text(older)
    place(alice, "Newer still")
    move_on(orders[1], "paid")
    expect(row(page, orders[1])).to_have_attribute("data-status", "paid")
    expect(products(page)).to_have_text(older)
    page.get_by_role("link", name="Back to the newest").click()
    expect(products(page).first).to_have_text("Newer still")


def test_older_ones_follow_when_many_have_left_the_list(visit, shop, alice):
    orders = place_many(alice, KEPT + 20)
    page = open_board(visit(shop, at=BLANK), "?status=placed")
    expect(rows(page)).to_have_count(KEPT)
    for order in orders[-30:]:
        move_on(order, "paid")
    expect(rows(page)).to_have_count(KEPT + 20 - 30)
    expect(page.locator("[data-board-older]")).to_be_hidden()
    move_on(orders[0], "paid")  # one of those that have followed
    expect(row(page, orders[0])).to_have_count(0)
    expect(products(page).last).to_have_text("Spoon 1")


def test_what_happens_to_older_ones_on_their_way_to_the_list_is_not_missed(visit, shop, alice):
    orders = place_many(alice, KEPT + 20)
    page = open_board(visit(shop, at=BLANK), "?status=placed")
    held: list[Route] = []
    page.route(re.compile("before="), lambda route: held.append(route))
    with page.expect_request(re.compile("before=")):
        for order in orders[-30:]:
            move_on(order, "paid")
    expect(rows(page)).to_have_count(KEPT - 30)
    (route,) = held
    rendered = route.fetch()
    move_on(orders[0], "paid")
    # So the page has been told of it.
    expect(count(page, "paid")).to_have_text("31", timeout=RECONNECTED_MS)
    route.fulfill(response=rendered)
    expect(products(page).last).to_have_text("Spoon 1")
    expect(rows(page)).to_have_count(KEPT + 20 - 31)


def test_what_happens_while_the_counts_are_on_their_way_is_counted(visit, shop, alice):
    page = open_board(visit(shop, at=BLANK))
    held: list[Route] = []
    page.route("**/orders/summary/", lambda route: held.append(route), times=1)
    with page.expect_request("**/orders/summary/"):
        place(alice, "Tea")
    expect(rows(page)).to_have_count(1)
    (route,) = held
    rendered = route.fetch()
    place(alice, "Espresso cups")
    expect(rows(page)).to_have_count(2)  # so the page has been told of it
    route.fulfill(response=rendered)
    expect(count(page, "placed")).to_have_text("2", timeout=RECONNECTED_MS)


def test_two_hundred_orders_in_a_second_leave_a_usable_page(visit, shop, alice):
    page = open_board(visit(shop, at=BLANK))
    page.evaluate(
        """() => {
            window.longestGap = 0;
            let last = performance.now();
            setInterval(() => {
                const now = performance.now();
                window.longestGap = Math.max(window.longestGap, now - last);
                last = now;
            }, 10);
            window.announcements = 0;
            new MutationObserver((records) => { window.announcements += records.length; })
                .observe(document.querySelector("[data-board-announcer]"), { childList: true });
        }"""
    )
    for _ in range(20):
        place_many(alice, 10)
    last = place(alice, "The last one")
    expect(products(page).first).to_have_text("The last one")
    expect(rows(page)).to_have_count(KEPT)
    expect(count(page, "placed")).to_have_text("201")
    expect(page.locator("[data-board-announcer]")).to_contain_text("are new or have changed")
    assert page.evaluate("longestGap") < 500
    assert page.evaluate("announcements") <= 2
    row(page, last).get_by_role("link", name="alice").click()
    expect(page).to_have_url(re.compile(r"\?customer=alice$"))


def test_the_focus_stays_where_it_is_while_rows_come_and_change(visit, shop, alice):
    order = place(alice, "Tea")
    page = open_board(visit(shop, at=BLANK))
    page.get_by_role("button", name="Filter").focus()
    for _ in range(9):  # past “Show all”, if it is there
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('[data-board-rows]') !== null"):
            break
    page.keyboard.press("ArrowRight")
    focused = row(page, order).get_by_role("link", name="alice")
    expect(focused).to_be_focused()
    place_many(alice, 3)
    move_on(order, "paid")
    expect(row(page, order)).to_have_attribute("data-status", "paid")
    expect(page.get_by_text("Changes waiting: 3")).to_be_visible()
    expect(rows(page)).to_have_count(1)
    expect(count(page, "paid")).to_have_text("1")
    expect(focused).to_be_focused()
    focused.blur()
    expect(rows(page)).to_have_count(4)
    expect(page.get_by_text("Changes waiting")).to_be_hidden()


def test_rows_hold_still_under_the_pointer(visit, shop, alice):
    goes, stays = place(alice, "Tea"), place(alice, "Espresso cups")
    page = open_board(visit(shop, at=BLANK), "?status=placed")
    expect(rows(page)).to_have_count(2)
    row(page, stays).hover()
    before = row(page, stays).bounding_box()
    place(alice, "Salad bowl")
    move_on(goes, "paid")
    expect(page.get_by_text("Changes waiting: 2")).to_be_visible()
    expect(row(page, goes)).to_have_attribute("data-leaving", "")
    assert row(page, stays).bounding_box() == before
    page.get_by_role("heading", name="All orders").hover()
    expect(products(page)).to_have_text(["Salad bowl", "Espresso cups"])
    expect(page.get_by_text("Changes waiting")).to_be_hidden()


def test_a_row_is_one_tab_stop_with_keys_inside(visit, shop, alice):
    first, second = place(alice, "Tea"), place(alice, "Espresso cups")
    page = open_board(visit(shop, at=BLANK))
    stops = "[...document.querySelectorAll('[data-board-rows] :is(a, button)')]"
    assert page.evaluate(f"{stops}.filter(stop => stop.tabIndex === 0).length") == 2

    def focused(order: Order, role: str, name: str) -> Locator:
        return row(page, order).get_by_role(role, name=name, exact=True)

    focused(second, "link", f"#{second.pk}").focus()
    page.keyboard.press("ArrowDown")
    expect(focused(first, "link", f"#{first.pk}")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(focused(first, "link", "alice")).to_be_focused()
    page.keyboard.press("Home")
    expect(focused(second, "link", "alice")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(focused(second, "button", "Mark as paid")).to_be_focused()
    page.keyboard.press("Enter")
    expect(row(page, second)).to_have_attribute("data-status", "paid")
    third = place(alice, "Salad bowl")
    page.get_by_role("heading", name="All orders").click()
    expect(rows(page)).to_have_count(3)
    assert page.evaluate(f"{stops}.filter(stop => stop.tabIndex === 0).length") == 3
    expect(focused(third, "button", "Mark as paid")).to_be_visible()


def test_an_order_is_moved_on_in_its_row(visit, complaints, shop, alice):
    complaints.expect("409")
    order = place(alice, "Tea")
    page = open_board(visit(shop, at=BLANK))
    row(page, order).get_by_role("button", name="Mark as paid").click()
    expect(row(page, order).locator("[data-board-chip]")).to_have_text("Paid")
    expect(row(page, order).get_by_role("button", name="Mark as shipped")).to_be_visible()
    # Somebody cancels it, and this board has not heard of it yet.
    row(page, order).get_by_role("button").evaluate("button => { button.value = 'delivered'; }")
    row(page, order).get_by_role("button").click()
    expect(page.get_by_role("alert")).to_contain_text("can't become “Delivered”")


def test_one_long_name_moves_no_column(visit, shop, alice):
    place(alice, "Tea")
    page = open_board(visit(shop, at=BLANK))
    columns = "[...document.querySelectorAll('.board-table thead th')].map(th => th.offsetLeft)"
    before = page.evaluate(columns)
    place(alice, "Unbreakable" * 18, quantity=10_000, unit_price="99999999.99")
    expect(rows(page)).to_have_count(2)
    assert page.evaluate(columns) == before


def test_a_paused_board_stands_still_until_it_goes_on(visit, shop, alice):
    order = place(alice, "Tea")
    page = open_board(visit(shop, at=BLANK))
    page.get_by_role("button", name="Pause").click()
    resume = page.get_by_role("button", name="Resume")
    expect(page.get_by_text("Paused", exact=True)).to_be_visible()
    expect(connection(page)).to_be_hidden()
    place(alice)
    move_on(order, "paid")
    expect(page.get_by_text("Changes waiting: 2")).to_be_visible()
    expect(products(page)).to_have_text(["Tea"])
    expect(row(page, order)).to_have_attribute("data-status", "placed")
    resume.press("Enter")
    expect(connection(page)).to_be_visible()
    expect(products(page)).to_have_text(["Espresso cups", "Tea"])
    expect(row(page, order)).to_have_attribute("data-status", "paid")
    expect(page.get_by_text("Changes waiting")).to_be_hidden()
    expect(count(page, "paid")).to_have_text("1")


def test_nothing_is_missed_while_the_server_is_away(site, visit, complaints, shop, alice):
    complaints.expect("net::ERR_")
    order = place(alice, "Before")
    page = open_board(visit(shop, at=BLANK))
    site.stop()
    expect(connection(page).get_by_text("Reconnecting…")).to_be_visible(timeout=RECONNECTED_MS)
    move_on(order, "paid", "shipped")
    place(alice, "Meanwhile")
    with running_server("runserver", port=site.port):
        expect_live(page)
        expect(products(page)).to_have_text(["Meanwhile", "Before"])
        expect(row(page, order)).to_have_attribute("data-status", "shipped")
        expect(count(page, "shipped")).to_have_text("1")
        page.goto("about:blank")  # leave while there is a server to leave


def test_a_cursor_that_cannot_be_honoured_gets_a_fresh_page(site, visit, shop, alice):
    place(alice, "Tea")
    page = open_board(visit(shop, at=BLANK))

    def from_a_database_that_was_restored_since(route: Route) -> None:
        response = route.fetch()
        before, board, after = response.text().partition("data-board\n")
        after = re.sub(r'data-live-cursor="[^"]*"', 'data-live-cursor="9999999-1"', after, count=1)
        route.fulfill(response=response, body=before + board + after)

    page.route(f"{site.url}/orders/", from_a_database_that_was_restored_since, times=1)
    page.reload()
    board = page.locator("[data-board]")
    expect(board).not_to_have_attribute("data-live-cursor", "9999999-1")
    expect_live(page)
    place(alice)
    expect(products(page)).to_have_text(["Espresso cups", "Tea"])


def test_it_says_when_the_session_has_ended(visit, complaints, shop):
    complaints.expect("401")
    page = open_board(visit(shop, at=BLANK), "?status=paid")
    Session.objects.all().delete()
    told = connection(page).get_by_text("You have been signed out.")
    expect(told).to_be_visible(timeout=RECONNECTED_MS)
    link = connection(page).get_by_role("link", name="Sign in again")
    expect(link).to_have_attribute("href", "/login/?next=/orders/%3Fstatus%3Dpaid")


def test_it_says_when_everybodys_orders_may_no_longer_be_seen(visit, complaints, alice, bob):
    complaints.expect("403")
    permission = Permission.objects.get(codename="view_order")
    alice.user_permissions.add(permission)
    page = open_board(visit(alice, at=BLANK))
    alice.user_permissions.remove(permission)
    told = connection(page).get_by_text("may no longer be followed")
    expect(told).to_be_visible(timeout=RECONNECTED_MS)
    place(bob)
    connection(page).get_by_role("link", name="Load it again").click()
    expect(page.get_by_text("Your account may not open this page.")).to_be_visible()


def test_bell_and_board_follow_their_own_streams_in_one_page(visit, shop, alice):
    page = open_board(visit(shop, at=BLANK))
    place(alice, "Tea")
    place(shop, "Espresso cups")
    expect(products(page)).to_have_text(["Espresso cups", "Tea"])
    expect(page.locator("[data-bell-badge]")).to_have_text("1")


def test_it_can_be_searched_and_paged_without_a_script(visit, shop, alice, bob):
    place_many(alice, KEPT + 1)
    place(bob, "Teapot")
    page = visit(shop, java_script_enabled=False)
    page.get_by_role("link", name="All orders").click()
    expect(rows(page)).to_have_count(KEPT)
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()
    expect(page.locator("main noscript p")).to_be_visible()
    page.get_by_role("link", name="Older orders").click()
    expect(products(page)).to_have_text(["Spoon 1", "Spoon 0"])
    page.get_by_label("Customer").fill("bob")
    page.get_by_role("button", name="Filter").click()
    expect(products(page)).to_have_text(["Teapot"])
    page.get_by_role("link", name=re.compile("^Paid")).click()
    expect(rows(page)).to_have_count(0)
    expect(page.get_by_label("Customer")).to_have_value("bob")
    page.get_by_role("link", name="Show all").click()
    expect(rows(page)).to_have_count(KEPT)


def test_what_is_new_is_marked_without_movement_for_those_who_want_less(visit, shop, alice):
    page = visit(shop, at=BLANK)
    page.emulate_media(reduced_motion="reduce")
    open_board(page)
    place(alice)
    expect(page.locator("[data-fresh]")).to_have_count(1)
    assert page.evaluate("document.getAnimations().length") == 0
    expect(page.locator("[data-fresh]")).to_have_count(0)


def test_it_fits_its_window(visit, shop, alice, subtests):
    place(alice, "Unbreakable" * 18, quantity=10_000, unit_price="99999999.99")
    page = open_board(visit(shop, at=BLANK))
    expect(rows(page)).to_have_count(1)
    for width in (320, 360, 768, 900, 1280):
        with subtests.test(width=width):
            page.set_viewport_size({"width": width, "height": 640})
            assert page.evaluate("document.documentElement.scrollWidth") == width


def test_it_has_no_violations_by_axe(axe, visit, complaints, shop, alice, subtests):
    complaints.expect("400")
    for status in ("placed", "paid", "shipped", "delivered"):
        order = place(alice)
        for step in ("paid", "shipped", "delivered"):
            if order.status != status:
                move_on(order, step)
    move_on(place(alice), "cancelled")
    page = visit(shop, bypass_csp=True, at=BLANK)
    for query in ("", "?customer=nobody", f"?before={order.pk}", "?status=lost"):
        if query == "?status=lost":
            page.goto(f"/orders/{query}")
            expect(page.get_by_role("alert")).to_be_visible()
        else:
            open_board(page, query)
            page.get_by_role("button", name="Pause").click()
        for width in (360, 1280):
            with subtests.test(query=query, width=width):
                page.set_viewport_size({"width": width, "height": 800})
                assert axe.violations_in_light_and_dark(page) == []
