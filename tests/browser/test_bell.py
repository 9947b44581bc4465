"""The bell and the inbox in a real browser, against a real server."""

import re
from datetime import UTC, datetime, timedelta

from django.contrib.sessions.models import Session
from playwright.sync_api import Page, Route, expect

from realtime.bell.models import Notification, Thread
from realtime.bell.snapshot import KEPT

from ..conftest import PASSWORD
from ..orders.samples import number_waiting
from .bells import (
    BLANK,
    ELSEWHERE,
    ONE_SECOND_MS,
    RECONNECTED_MS,
    badge,
    close_bell,
    come_back,
    connection,
    expect_live,
    expect_shown,
    find_the_network,
    look_again,
    lose_the_network,
    mark_all_as_read,
    move_on,
    open_bell,
    panel,
    place,
    row,
    rows,
    shown,
    titles,
)

# More than the connection is away for before the banner says so.
A_WHILE = "00:06"
# For a page whose clock the test moves on.
WITH_CLOCK = {"own": True, "prepare": lambda page: page.clock.install()}


def visit_elsewhere(visit, user, **options) -> Page:
    """A page with the bell in its header and no list."""
    page = visit(user, at=ELSEWHERE, **options)
    expect_live(page)
    return page


def create_in_the_admin(page: Page, customer: str, product: str) -> None:
    page.goto("/admin/orders/order/add/")
    page.locator(".field-customer .select2-selection").click()
    page.locator(".select2-search__field").fill(customer)
    page.locator(".select2-results__option", has_text=customer).click()
    page.get_by_label("Product").fill(product)
    page.get_by_label("Quantity").fill("2")
    page.get_by_label("Unit price").fill("4.50")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist .success")).to_be_visible()


def test_an_order_made_in_the_admin_rings_its_customers_bell_and_no_other(
    site, visit, alice, bob, shop
):
    alices, bobs, shops = (
        visit_elsewhere(visit, alice),
        visit_elsewhere(visit, bob),
        visit(shop, at=BLANK),
    )
    expect(badge(alices)).to_be_hidden()
    alices.evaluate(
        "addEventListener('animationstart', (event) => {"
        "  document.body.dataset.animations += event.animationName;"
        "})"
    )
    create_in_the_admin(shops, "alice", "Espresso cups")
    expect(badge(alices)).to_have_text("1", timeout=ONE_SECOND_MS)
    expect(alices).to_have_title(re.compile(r"^\(1\) "))
    # Noted on this very page: it has not been loaded again.
    expect(alices.locator("body")).to_have_attribute("data-animations", re.compile("bell-ring"))

    # Bob's stream has said all there is up to his own order, and Alice's was not in it.
    create_in_the_admin(shops, "bob", "Teapot")
    expect(badge(bobs)).to_have_text("1")
    open_bell(bobs)
    expect(panel(bobs)).to_contain_text("Teapot")
    expect(panel(bobs)).not_to_contain_text("Espresso cups")


def test_the_inbox_under_ones_eyes_is_live(visit, alice):
    page = visit(alice)
    expect_live(page)
    page.evaluate("document.body.dataset.stays = ''")
    teapot = place(alice, "Teapot")
    place(alice, "Espresso cups")
    expect(titles(page)).to_have_text(["2 × Espresso cups", "2 × Teapot"])
    move_on(teapot, "paid")
    expect(titles(page)).to_have_text(["2 × Teapot", "2 × Espresso cups"])
    expect(row(page, "Teapot").locator("strong")).to_have_text("Paid")
    expect(row(page, "Teapot").locator("summary")).to_have_text("1 earlier")
    teapot.delete()
    expect(titles(page)).to_have_text(["2 × Espresso cups"])
    expect(page.locator("body")).to_have_attribute("data-stays", "")


def test_what_rings_in_looks_as_if_the_server_had_rendered_it(visit, alice):
    page = visit(alice)
    expect_live(page)
    place(alice, "<b>Cups</b> & \u202esrecuas", quantity=10_000, unit_price="99999999.99")
    move_on(place(alice), "paid", "shipped", "delivered")
    expect(page.locator("main summary")).to_have_text("3 earlier")
    expect(rows(page, "seen")).to_have_count(2)
    live = shown(page)
    page.reload()
    expect_live(page)
    expect_shown(page, live)


def test_nothing_is_lost_or_doubled_while_the_server_is_away(
    site, shared_site, visit, complaints, alice
):
    complaints.expect("net::ERR_")
    page = visit(alice, **WITH_CLOCK)
    expect_live(page)
    place(alice, "Before")
    expect(titles(page)).to_have_text(["2 × Before"])

    site.stop()
    expect(connection(page)).to_have_attribute("data-state", "reconnecting")
    expect(page.locator("svg[data-bell-broken]")).to_be_visible()
    for number in range(3):
        place(alice, f"Meanwhile {number}")
    banner = page.locator("[data-bell-banner]")
    page.clock.fast_forward(A_WHILE)
    expect(banner.get_by_text("Reconnecting… What you miss will be here.")).to_be_visible()
    shared_site.again()
    expect_live(page)
    expect(banner).to_be_hidden()
    expect(page.locator("svg[data-bell-broken]")).to_be_hidden()
    expected = [f"2 × Meanwhile {number}" for number in (2, 1, 0)]
    expect(titles(page)).to_have_text([*expected, "2 × Before"])


def test_the_panel_keeps_as_many_as_the_server_shows(visit, alice):
    page = visit_elsewhere(visit, alice)
    for number in range(KEPT + 2):
        place(alice, f"Spoon {number}")
    expect(badge(page)).to_have_text(str(KEPT + 2))
    open_bell(page)
    expect(panel(page).locator("[data-bell-row]")).to_have_count(KEPT)
    expect(panel(page).locator("[data-bell-title]").first).to_have_text(f"2 × Spoon {KEPT + 1}")


def test_opening_it_takes_the_alarm_away_and_not_what_is_unread(visit, alice):
    page = visit_elsewhere(visit, alice)
    place(alice, "Teapot")
    place(alice, "Espresso cups")
    expect(badge(page)).to_have_text("2")
    expect(badge(page)).to_have_attribute("data-new", "")
    open_bell(page)
    expect(badge(page)).not_to_have_attribute("data-new", "")
    expect(badge(page)).to_have_text("2")
    expect(panel(page).locator(".bell-panel-count")).to_contain_text("2 unread")
    close_bell(page)
    place(alice, "Linen napkins")
    expect(badge(page)).to_have_attribute("data-new", "")
    expect(badge(page)).to_have_text("3")
    page.reload()
    expect(badge(page)).to_have_text("3")
    expect(badge(page)).to_have_attribute("data-new", "")


def test_what_one_looks_at_is_read(visit, alice):
    order = place(alice, "Teapot")
    page = visit(alice)
    expect(badge(page)).to_have_text("1")
    page.goto(f"/orders/{order.pk}/")
    expect(badge(page)).to_be_hidden()
    move_on(order, "paid")
    expect(page.locator("main")).to_contain_text("Your payment is here.")
    expect(badge(page)).to_be_hidden()
    expect(page.locator(".bell-toast")).to_have_count(0)
    page.goto("/notifications/")
    expect(rows(page, "read")).to_have_count(1)


def test_marking_all_as_read_from_the_keyboard(visit, alice):
    place(alice, "Teapot")
    page = visit(alice)
    expect_live(page)
    place(alice, "Espresso cups")
    expect(badge(page)).to_have_text("2")
    page.locator("main .bell-read-all").focus()
    page.keyboard.press("Enter")
    expect(badge(page)).to_be_hidden()
    expect(page.locator("main").get_by_text("You have read everything")).to_be_visible()
    expect(rows(page, "read")).to_have_count(2)
    page.reload()
    expect(rows(page, "read")).to_have_count(2)


def test_what_arrives_while_the_button_is_pressed_stays_unread(visit, alice):
    place(alice, "Teapot")
    page = visit(alice)
    expect_live(page)
    expect(rows(page, "seen")).to_have_count(1)
    held: list[Route] = []

    def hold(route: Route) -> None:
        if "change=read" in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    page.route("**/notifications/change/", hold)
    with page.expect_request("**/notifications/change/"):
        mark_all_as_read(page)
    place(alice, "Espresso cups")
    expect(badge(page)).to_have_text("2")
    held[0].continue_()
    expect(badge(page)).to_have_text("1")
    expect(rows(page, "read")).to_contain_text("Teapot")


def test_a_row_leads_to_its_subject_and_is_read_then(visit, alice):
    place(alice, "Teapot")
    page = visit(alice)
    expect_live(page)
    place(alice, "Espresso cups")  # this one comes by the stream
    expect(badge(page)).to_have_text("2")
    page.locator("main").get_by_role("link", name="Placed · 2 × Espresso cups").click()
    expect(page).to_have_url(re.compile(r"/orders/\d+/$"))
    expect(badge(page)).to_have_text("1")
    page.go_back()
    expect(rows(page, "read")).to_contain_text("Espresso cups")
    expect(rows(page, "seen")).to_contain_text("Teapot")


def test_the_keys_of_the_inbox(visit, alice):
    for product in ("Teapot", "Espresso cups", "Linen napkins"):
        place(alice, product)
    page = visit(alice)
    expect_live(page)
    expect(titles(page)).to_have_count(3)

    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(row(page, "Espresso cups").get_by_role("link")).to_be_focused()
    page.keyboard.press("u")
    expect(rows(page, "read")).to_contain_text("Espresso cups")
    page.keyboard.press("u")
    expect(rows(page, "read")).to_have_count(0)
    expect(badge(page)).to_have_text("3")
    page.keyboard.press("k")
    expect(row(page, "Linen napkins").get_by_role("link")).to_be_focused()

    page.keyboard.press("e")
    expect(titles(page)).to_have_text(["2 × Espresso cups", "2 × Teapot"])
    expect(row(page, "Espresso cups").get_by_role("link")).to_be_focused()
    expect(badge(page)).to_have_text("2")

    page.keyboard.press("?")
    expect(page.locator("[data-bell-keys]")).to_be_visible()
    page.keyboard.press("?")
    expect(page.locator("[data-bell-keys]")).to_be_hidden()

    page.get_by_role("searchbox").focus()
    page.keyboard.type("je?")
    expect(page.get_by_role("searchbox")).to_have_value("je?")
    expect(titles(page)).to_have_count(2)


def test_what_is_archived_can_be_taken_back(visit, alice):
    place(alice, "Teapot")
    page = visit(alice)
    expect_live(page)
    row(page, "Teapot").hover()
    row(page, "Teapot").get_by_role("button", name="Archive").click()
    expect(titles(page)).to_have_count(0)
    undo = page.locator("[data-bell-undo]")
    expect(undo).to_contain_text("Archived: 2 × Teapot")
    undo.get_by_role("button", name="Undo").click()
    expect(titles(page)).to_have_text(["2 × Teapot"])
    expect(badge(page)).to_have_text("1")
    expect(undo).to_be_empty()


def test_it_can_be_opened_read_and_archived_without_a_script(visit, alice):
    place(alice)
    expect(badge(visit(alice))).to_have_text("1")  # so the server has published it
    page = visit(alice, java_script_enabled=False)
    open_bell(page)
    expect(panel(page).locator("[data-bell-title]")).to_have_text(["2 × Espresso cups"])
    close_bell(page)
    mark_all_as_read(page)
    expect(page.locator("main").get_by_text("You have read everything")).to_be_visible()
    expect(rows(page, "read")).to_have_count(1)
    row(page, "Espresso cups").hover()
    row(page, "Espresso cups").get_by_role("button", name="Archive").click()
    expect(titles(page)).to_have_count(0)
    page.locator("main").get_by_role("button", name="Undo").click()
    expect(titles(page)).to_have_text(["2 × Espresso cups"])


def test_it_says_when_the_network_is_away_and_catches_up(visit, complaints, alice):
    complaints.expect("net::ERR_INTERNET_DISCONNECTED")
    page = visit_elsewhere(visit, alice, **WITH_CLOCK)
    lose_the_network(page)
    page.clock.fast_forward(A_WHILE)
    expect(page.locator("[data-bell-banner]").get_by_text("Offline.")).to_be_visible()
    place(alice)
    expect(badge(page)).to_be_hidden()
    find_the_network(page)
    expect_live(page)
    expect(badge(page)).to_have_text("1")


def test_it_says_when_the_session_has_ended(visit, complaints, alice):
    complaints.expect("401")
    page = visit(alice, **WITH_CLOCK)
    expect_live(page)
    Session.objects.all().delete()
    come_back(page)
    expect(connection(page)).to_have_attribute("data-state", "signed-out", timeout=RECONNECTED_MS)
    page.clock.fast_forward(A_WHILE)
    banner = page.locator("[data-bell-banner]")
    expect(banner.get_by_text("You have been signed out.")).to_be_visible()
    banner.get_by_role("link", name="Sign in again").click()
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect_live(page)


def test_a_page_says_that_somebody_else_has_signed_in_in_another_tab(visit, complaints, alice, bob):
    complaints.expect("401", "403")
    place(alice, "Teapot")
    page = visit(alice)
    expect_live(page)
    state = connection(page)
    other = page.context.new_page()
    other.goto("/notifications/")
    other.get_by_role("button", name="Sign out").click()
    expect(state).to_have_attribute("data-state", "signed-out", timeout=RECONNECTED_MS)
    other.get_by_label("Username").fill("bob")
    other.get_by_label("Password").fill(PASSWORD)
    other.get_by_role("button", name="Sign in", exact=True).click()
    other.wait_for_url("/")
    other.goto("/notifications/")
    expect_live(other)
    look_again(page)
    expect(state).to_have_attribute("data-state", "someone-else", timeout=RECONNECTED_MS)
    place(bob, "Espresso cups")
    expect(titles(other)).to_have_text(["2 × Espresso cups"])
    expect(titles(page)).to_have_text(["2 × Teapot"])


def test_a_cursor_that_cannot_be_honoured_gets_the_bell_rendered_anew(site, visit, alice):
    page = visit(alice)
    expect_live(page)
    for product in ("Teapot", "Espresso cups"):
        place(alice, product)
    expect(titles(page)).to_have_count(2)

    def from_a_database_that_was_restored_since(route: Route) -> None:
        response = route.fetch()
        html = re.sub(r'data-live-cursor="[^"]*"', 'data-live-cursor="9999999-1"', response.text())
        html = re.sub(r'data-unread="[^"]*"', 'data-unread="[]"', html)
        route.fulfill(response=response, body=html)

    page.route(f"{site.url}/notifications/", from_a_database_that_was_restored_since, times=1)
    with page.expect_response("**/notifications/bell/"):
        page.reload()
    page.evaluate("document.body.dataset.stays = ''")
    expect(badge(page)).to_have_text("2")
    place(alice, "Linen napkins")
    expect(titles(page)).to_have_text(["2 × Linen napkins", "2 × Espresso cups", "2 × Teapot"])
    expect(page.locator("body")).to_have_attribute("data-stays", "")


def test_times_move_on_and_their_titles_are_the_viewers_own(visit, alice):
    place(alice)
    number_waiting()
    now = datetime.now(UTC)
    page = visit(
        alice,
        own=True,
        prepare=lambda page: page.clock.install(time=now),
        locale="en-GB",
        timezone_id="Europe/Berlin",
    )
    expect_live(page)
    time = page.locator("main [data-bell-row] time")
    expect(time).to_have_text("now")
    expect(time).to_have_attribute("title", re.compile(rf"{now:%Y} at \d\d:\d\d$"))
    page.clock.fast_forward("07:00")
    expect(time).to_have_text(re.compile(r"^[67] minutes ago$"))
    page.clock.fast_forward("01:00:00")
    expect(time).to_have_text("1 hour ago")


def test_the_days_of_the_inbox_are_those_of_the_viewers_zone(visit, alice):
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    # Beside midnight, and in a zone where the hour before or after it is on the other side.
    if now.hour < 12:
        other, zone, name = midnight - timedelta(minutes=30), "Etc/GMT-1", "Today"
    else:
        other, zone, name = midnight + timedelta(minutes=15), "Etc/GMT+1", "Yesterday"
    place(alice, "Teapot")
    number_waiting()
    Thread.objects.update(changed_at=other)
    Notification.objects.update(created_at=other)
    page = visit(alice, timezone_id=zone)
    expect(page.locator(".bell-day h2")).to_have_text([name])
    place(alice, "Espresso cups")
    expect(titles(page)).to_have_count(2)
    today_alone = ["Today"] if name == "Today" else ["Today", "Yesterday"]
    expect(page.locator(".bell-day h2")).to_have_text(today_alone)


def test_the_icon_of_the_tab_shows_that_there_is_something_unread(visit, alice):
    page = visit_elsewhere(visit, alice)
    icon = page.locator("link[rel=icon]")
    plain = icon.get_attribute("href")
    place(alice)
    expect(icon).to_have_attribute("href", re.compile("^data:image/png"))
    open_bell(page)
    panel(page).locator(".bell-read-all").click()
    expect(icon).to_have_attribute("href", re.compile(f"{re.escape(plain)}$"))


def test_the_bell_does_not_swing_for_those_who_want_less_motion(visit, alice):
    page = visit_elsewhere(visit, alice, reduced_motion="reduce")
    place(alice)
    expect(page.locator("[data-ringing]")).to_have_count(1)
    expect(page.locator(".bell-toast")).to_have_count(1)
    assert page.evaluate("document.getAnimations().length") == 0
    open_bell(page)
    assert page.evaluate("document.getAnimations().length") == 0
