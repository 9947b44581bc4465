"""The bell in a real browser, against a real server."""

import re
from datetime import UTC, datetime

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Page, Route, expect

from orders.bell import KEPT

from ..conftest import PASSWORD
from ..servers import running_server
from .bells import (
    ONE_SECOND_MS,
    badge,
    close_bell,
    come_back,
    connection,
    expect_live,
    expect_shown,
    find_the_network,
    items,
    lose_the_network,
    mark_all_as_read,
    move_on,
    open_bell,
    panel,
    place,
    products,
    shown,
)
from .chromium import sign_in


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
    alices, bobs, shops = visit(), visit(bob), visit(shop)
    sign_in(alices, site.url, "alice", PASSWORD)
    expect_live(alices)
    expect_live(bobs)
    expect(badge(alices)).to_be_hidden()
    alices.evaluate(
        "addEventListener('animationstart', (event) => {"
        "  document.body.dataset.animations += event.animationName;"
        "})"
    )

    create_in_the_admin(shops, "alice", "Espresso cups")

    expect(badge(alices)).to_have_text("1", timeout=ONE_SECOND_MS)
    expect(products(alices)).to_have_text(["Espresso cups"])
    expect(alices).to_have_title("(1) Your orders")
    # Noted on this very page: it has not been loaded again.
    expect(alices.locator("body")).to_have_attribute("data-animations", re.compile("bell-ring"))

    # Bob's stream has said all there is up to his own order, and Alice's was not in it.
    create_in_the_admin(shops, "bob", "Teapot")
    expect(badge(bobs)).to_have_text("1")
    expect(products(bobs)).to_have_text(["Teapot"])
    expect(products(alices)).to_have_text(["Espresso cups"])


def test_nothing_is_lost_or_doubled_while_the_server_is_away(site, visit, complaints, alice):
    complaints.expect("net::ERR_")
    page = visit(alice)
    expect_live(page)
    place(alice, "Before")
    expect(products(page)).to_have_text(["Before"])

    site.stop()
    expect(page.locator("main").get_by_text("Reconnecting…")).to_be_visible()
    for number in range(3):
        place(alice, f"Meanwhile {number}")
    with running_server("runserver", port=site.port):
        expect_live(page)
        expected = ["Meanwhile 2", "Meanwhile 1", "Meanwhile 0", "Before"]
        expect(products(page)).to_have_text(expected)
        place(alice, "After")
        expect(products(page)).to_have_text(["After", *expected])
        expect(badge(page)).to_have_text("5")
        page.goto("about:blank")  # leave while there is a server to leave


def test_what_rings_in_looks_as_if_the_server_had_rendered_it(visit, alice):
    page = visit(alice)
    expect_live(page)
    place(alice, "<b>Cups</b> & \u202esrecuas", quantity=10_000, unit_price="99999999.99")
    move_on(place(alice), "paid", "shipped", "delivered")
    move_on(place(alice), "cancelled")
    expect(badge(page)).to_have_text("7")
    expect(page.locator("[data-ringing]")).to_have_count(0)
    live = looks(page)
    page.reload()
    expect_live(page)
    assert live == looks(page)


def looks(page: Page) -> list[str]:
    """The markup of the page and of the panel, without what differs from one page to the next."""
    return [
        without_what_differs(page.locator(part).inner_html()) for part in ("main", "#bell-panel")
    ]


def without_what_differs(html: str) -> str:
    """Tokens, the cursor of a form, the name of an animation that has ended, blanks."""
    html = re.sub(r'(name="(csrfmiddlewaretoken|position)" value=")\w+', r"\1", html)
    return re.sub(r"\s*(</?li\b)", r"\1", re.sub(r"(</li>)\s*", r"\1", html))


def test_it_keeps_as_many_as_the_server_shows(visit, alice):
    page = visit(alice)
    expect_live(page)
    for number in range(KEPT + 2):
        place(alice, f"Spoon {number}")
    expect(products(page)).to_have_text([f"Spoon {n}" for n in range(KEPT + 1, 1, -1)])
    expect(panel(page).locator("li")).to_have_count(KEPT)
    expect(badge(page)).to_have_text(str(KEPT + 2))


def test_opening_it_marks_all_as_seen_until_it_rings_again(visit, alice):
    place(alice, "Teapot")
    page = visit(alice)
    expect_live(page)
    place(alice, "Espresso cups")
    expect(badge(page)).to_have_text("2")
    open_bell(page)
    expect(badge(page)).to_be_hidden()
    expect(panel(page).get_by_text("You are up to date")).to_be_visible()
    expect(items(page, "seen")).to_have_count(2)
    expect(page).to_have_title("Your orders")
    close_bell(page)
    place(alice, "Linen napkins")
    expect(badge(page)).to_have_text("1")
    page.reload()
    expect(badge(page)).to_have_text("1")
    expect(items(page, "new").locator("[data-field=product]")).to_have_text(["Linen napkins"])
    expect(items(page, "seen")).to_have_count(2)


def test_what_arrives_while_it_is_open_has_been_seen(visit, alice):
    page = visit(alice)
    expect_live(page)
    open_bell(page)
    for product in ("Teapot", "Espresso cups"):
        place(alice, product)
        expect(products(page).first).to_have_text(product)
        expect(badge(page)).to_be_hidden()
    expect(items(page, "seen")).to_have_count(2)
    page.reload()
    expect(badge(page)).to_be_hidden()
    expect(items(page, "seen")).to_have_count(2)


def test_marking_all_as_read_from_the_keyboard(visit, alice):
    place(alice, "Teapot")
    page = visit(alice)
    expect_live(page)
    place(alice, "Espresso cups")
    expect(badge(page)).to_have_text("2")
    page.locator("main [data-bell-read-all] button").focus()
    page.keyboard.press("Enter")
    expect(badge(page)).to_be_hidden()
    expect(page.locator("main").get_by_text("You are up to date")).to_be_visible()
    expect(items(page, "read")).to_have_count(2)
    page.reload()
    expect(items(page, "read")).to_have_count(2)


def test_what_arrives_while_the_button_is_pressed_stays_new(visit, alice):
    page = visit(alice)
    expect_live(page)
    place(alice, "Teapot")
    expect(badge(page)).to_have_text("1")

    held: list[Route] = []
    page.route("**/notifications/read/", lambda route: held.append(route))
    with page.expect_request("**/notifications/read/"):
        mark_all_as_read(page)
    place(alice, "Espresso cups")
    expect(badge(page)).to_have_text("2")
    held[0].continue_()
    expect(badge(page)).to_have_text("1")
    expect(items(page, "new").locator("[data-field=product]")).to_have_text(["Espresso cups"])


def test_a_notification_leads_to_its_order_and_is_read_then(visit, alice):
    place(alice, "Teapot")
    page = visit(alice)
    expect_live(page)
    place(alice, "Espresso cups")  # this one comes by the stream
    expect(badge(page)).to_have_text("2")
    page.locator("main").get_by_role("link", name="2 × Espresso cups").click()
    expect(page.locator("main")).to_contain_text("Espresso cups")
    expect(page).to_have_url(re.compile(r"/orders/\d+/$"))
    expect(badge(page)).to_have_text("1")
    page.go_back()
    expect(items(page, "read").locator("[data-field=product]")).to_have_text(["Espresso cups"])
    expect(items(page, "new").locator("[data-field=product]")).to_have_text(["Teapot"])


def test_the_dot_marks_one_as_read(visit, alice):
    page = visit(alice)
    expect_live(page)
    for product in ("Teapot", "Espresso cups"):
        place(alice, product)
    expect(badge(page)).to_have_text("2")
    page.locator("main li", has_text="Teapot").get_by_role("button", name="Mark as read").click()
    expect(items(page, "read").locator("[data-field=product]")).to_have_text(["Teapot"])
    expect(badge(page)).to_have_text("1")


def test_it_can_be_opened_read_and_emptied_without_a_script(visit, alice):
    place(alice)
    expect(badge(visit(alice))).to_have_text("1")  # so the server has published it
    page = visit(alice, java_script_enabled=False)
    open_bell(page)
    expect(panel(page).locator("[data-field=product]")).to_have_text(["Espresso cups"])
    close_bell(page)
    expect(page.locator("main noscript p")).to_be_visible()
    expect(page.get_by_text("Connecting…", exact=True).first).to_be_hidden()
    mark_all_as_read(page)
    expect(page.locator("main").get_by_text("You are up to date")).to_be_visible()
    expect(items(page, "read")).to_have_count(1)


def test_it_says_when_the_network_is_away_and_catches_up(visit, complaints, alice):
    complaints.expect("net::ERR_INTERNET_DISCONNECTED")
    page = visit(alice)
    expect_live(page)
    lose_the_network(page)
    expect(page.locator("main").get_by_text("Offline.")).to_be_visible()
    place(alice)
    expect(badge(page)).to_be_hidden()
    find_the_network(page)
    expect_live(page)
    expect(products(page)).to_have_text(["Espresso cups"])


def test_it_says_when_the_session_has_ended(visit, complaints, alice):
    complaints.expect("401")
    page = visit(alice)
    expect_live(page)
    Session.objects.all().delete()
    come_back(page)
    expect(page.locator("main").get_by_text("You have been signed out.")).to_be_visible()
    page.locator("main").get_by_role("link", name="Sign in again").click()
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect_live(page)


def test_a_page_says_that_somebody_else_has_signed_in_in_another_tab(visit, complaints, alice, bob):
    complaints.expect("403")
    place(alice, "Teapot")
    page = visit(alice)
    expect_live(page)
    expect(products(page)).to_have_text(["Teapot"])
    other = page.context.new_page()
    other.goto("/")
    other.get_by_role("button", name="Sign out").click()
    other.get_by_label("Username").fill("bob")
    other.get_by_label("Password").fill(PASSWORD)
    other.get_by_role("button", name="Sign in").click()
    expect_live(other)
    expect(connection(page)).to_have_attribute("data-state", "someone-else")
    place(bob, "Espresso cups")
    expect(products(other)).to_have_text(["Espresso cups"])
    expect(products(page)).to_have_text(["Teapot"])
    page.locator("main").get_by_role("link", name="Reload the page").click()
    expect(products(page)).to_have_text(["Espresso cups"])


@pytest.mark.usefixtures("empty_log")
def test_a_cursor_that_cannot_be_honoured_gets_the_bell_rendered_anew(site, visit, alice):
    page = visit(alice)
    expect_live(page)
    for product in ("Teapot", "Espresso cups"):
        place(alice, product)
    expect(badge(page)).to_have_text("2")
    expected = shown(page)

    def from_a_database_that_was_restored_since(route: Route) -> None:
        response = route.fetch()
        html = response.text().replace('cursor="2"', 'cursor="999"')
        html = re.sub(r'data-position="\d+" data-state="new"', 'data-position="0"', html)
        route.fulfill(response=response, body=html)

    page.route(f"{site.url}/", from_a_database_that_was_restored_since, times=1)
    with page.expect_response("**/notifications/bell/"):
        page.reload()
    page.evaluate("document.body.dataset.stays = ''")
    expect_shown(page, expected)
    place(alice, "Linen napkins")
    expect(products(page)).to_have_text(["Linen napkins", "Espresso cups", "Teapot"])
    expect(page.locator("body")).to_have_attribute("data-stays", "")


def test_times_move_on_and_their_titles_are_the_viewers_own(visit, alice):
    page = visit(alice, locale="en-GB", timezone_id="Europe/Berlin")
    expect_live(page)
    page.clock.install(time=datetime(2026, 3, 12, 8, tzinfo=UTC))
    page.reload()
    expect_live(page)
    place(alice, placed_at=datetime(2026, 3, 12, 7, 55, tzinfo=UTC))
    time = page.locator("main [data-bell-list] time")
    expect(time).to_have_text("5 minutes ago")
    expect(time).to_have_attribute("title", "Thursday, 12 March 2026 at 08:55")
    page.clock.fast_forward("02:00")
    expect(time).to_have_text("7 minutes ago")
    page.clock.fast_forward("01:00:00")
    expect(time).to_have_text("1 hour ago")


def test_the_icon_of_the_tab_shows_that_there_is_something_new(visit, alice):
    page = visit(alice)
    expect_live(page)
    icon = page.locator("link[rel=icon]")
    plain = icon.get_attribute("href")
    place(alice)
    expect(icon).to_have_attribute("href", re.compile("^data:image/png"))
    open_bell(page)
    expect(icon).to_have_attribute("href", re.compile(f"{re.escape(plain)}$"))


def test_the_bell_does_not_swing_for_those_who_want_less_motion(visit, alice):
    page = visit(alice, reduced_motion="reduce")
    expect_live(page)
    place(alice)
    expect(page.locator("[data-ringing]")).to_have_count(1)
    expect(page.locator(".bell-toast")).to_have_count(1)
    assert page.evaluate("document.getAnimations().length") == 0
    open_bell(page)
    assert page.evaluate("document.getAnimations().length") == 0
