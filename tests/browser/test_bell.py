"""The bell in a real browser, against a real server."""

import re
from datetime import UTC, datetime

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Locator, Page, Route, expect

from orders.models import Order
from orders.notifications import KEPT

from ..conftest import PASSWORD
from ..servers import running_server
from .chromium import sign_in

pytestmark = pytest.mark.browser

ONE_SECOND_MS = 1_000
# For what includes the wait before a browser reconnects.
RECONNECTED_MS = 20_000


def place(customer, product: str = "Espresso cups", **fields) -> Order:
    fields = {"quantity": 2, "unit_price": "4.50", **fields}
    return Order.objects.create(customer=customer, product=product, **fields)


def expect_live(page: Page) -> None:
    expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=RECONNECTED_MS)


def badge(page: Page) -> Locator:
    return page.locator("[data-new-badge]")


def products(page: Page) -> Locator:
    return page.locator("[data-notifications] [data-field=product]")


def come_back(page: Page) -> None:
    """What a browser does when its network is back: the bell connects anew."""
    page.evaluate("dispatchEvent(new Event('online'))")


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
        "  document.body.dataset.animation = event.animationName;"
        "})"
    )

    create_in_the_admin(shops, "alice", "Espresso cups")

    expect(badge(alices)).to_have_text("1", timeout=ONE_SECOND_MS)
    expect(products(alices)).to_have_text(["Espresso cups"])
    expect(alices).to_have_title("(1) Your orders")
    # Noted on this very page: it has not been loaded again.
    expect(alices.locator("body")).to_have_attribute("data-animation", "ring")

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
    expect(page.get_by_text("Reconnecting…")).to_be_visible()
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
    place(alice, "<b>Cups</b> & \u202esrecuas")
    order = place(alice)
    for status in ("paid", "shipped", "delivered"):
        order.status = status
        order.save()
    cancelled = place(alice)
    cancelled.status = "cancelled"
    cancelled.save()
    expect(badge(page)).to_have_text("7")
    expect(page.locator("[data-ringing]")).to_have_count(0)
    live = page.locator("#bell").inner_html()
    page.reload()
    expect_live(page)
    assert without_what_differs(live) == without_what_differs(page.locator("#bell").inner_html())


def without_what_differs(html: str) -> str:
    """The token of the form is another on each page; blanks between notifications don't show."""
    html = re.sub(r'(name="csrfmiddlewaretoken" value=")\w+', r"\1", html)
    return re.sub(r"\s*(</?li\b)", r"\1", re.sub(r"(</li>)\s*", r"\1", html))


def test_it_keeps_as_many_as_the_server_shows(visit, alice):
    page = visit(alice)
    expect_live(page)
    for number in range(KEPT + 2):
        place(alice, f"Spoon {number}")
    expect(products(page)).to_have_text([f"Spoon {n}" for n in range(KEPT + 1, 1, -1)])
    expect(badge(page)).to_have_text(str(KEPT + 2))


def test_marking_all_as_seen_empties_the_bell_until_it_rings_again(visit, alice):
    place(alice, "Teapot")
    page = visit(alice)
    expect_live(page)
    place(alice, "Espresso cups")
    expect(badge(page)).to_have_text("2")
    page.get_by_role("button", name="Mark all as seen").focus()
    page.keyboard.press("Enter")
    expect(badge(page)).to_be_hidden()
    expect(page.get_by_text("You are up to date")).to_be_visible()
    expect(page.locator("[data-new]")).to_have_count(0)
    expect(page).to_have_title("Your orders")
    place(alice, "Linen napkins")
    expect(badge(page)).to_have_text("1")
    page.reload()
    expect(badge(page)).to_have_text("1")
    expect(page.locator("[data-new] [data-field=product]")).to_have_text(["Linen napkins"])


def test_what_arrives_while_the_button_is_pressed_stays_new(visit, alice):
    page = visit(alice)
    expect_live(page)
    place(alice, "Teapot")
    expect(badge(page)).to_have_text("1")

    held: list[Route] = []
    page.route("**/seen/", lambda route: held.append(route))
    with page.expect_request("**/seen/"):
        page.get_by_role("button", name="Mark all as seen").click()
    place(alice, "Espresso cups")
    expect(badge(page)).to_have_text("2")
    held[0].continue_()
    expect(badge(page)).to_have_text("1")
    expect(page.locator("[data-new] [data-field=product]")).to_have_text(["Espresso cups"])


def test_it_can_be_read_and_emptied_without_a_script(visit, alice):
    place(alice)
    expect(badge(visit(alice))).to_have_text("1")  # so the server has published it
    page = visit(alice, java_script_enabled=False)
    expect(products(page)).to_have_text(["Espresso cups"])
    expect(page.locator("noscript p")).to_be_visible()
    expect(page.get_by_text("Connecting…", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Mark all as seen").click()
    expect(page.get_by_text("You are up to date")).to_be_visible()
    expect(products(page)).to_have_text(["Espresso cups"])


def test_it_says_when_the_network_is_away_and_catches_up(visit, complaints, alice):
    complaints.expect("net::ERR_INTERNET_DISCONNECTED")
    page = visit(alice)
    expect_live(page)
    page.context.set_offline(True)
    expect(page.get_by_text("Offline.")).to_be_visible()
    place(alice)
    page.context.set_offline(False)
    expect_live(page)
    expect(products(page)).to_have_text(["Espresso cups"])


def test_it_comes_back_after_an_answer_that_ends_an_eventsource(visit, complaints, alice):
    complaints.expect("503")
    page = visit(alice)
    expect_live(page)
    page.route("**/orders/realtime?*", lambda route: route.fulfill(status=503), times=1)
    come_back(page)
    expect(page.get_by_text("Reconnecting…")).to_be_visible()
    expect_live(page)
    place(alice)
    expect(products(page)).to_have_text(["Espresso cups"])


def test_it_comes_back_from_the_back_forward_cache(visit, alice):
    page = visit(alice)
    expect_live(page)
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    place(alice)
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(products(page)).to_have_text(["Espresso cups"])


def test_it_says_when_the_session_has_ended(visit, complaints, alice):
    complaints.expect("401")
    page = visit(alice)
    expect_live(page)
    Session.objects.all().delete()
    come_back(page)
    expect(page.get_by_text("You have been signed out.")).to_be_visible()
    page.get_by_role("link", name="Sign in again").click()
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect_live(page)


def test_it_turns_to_whoever_has_signed_in_in_another_tab(visit, alice, bob):
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
    come_back(page)
    expect_live(page)
    place(bob, "Espresso cups")
    expect(products(page)).to_have_text(["Espresso cups"])
    expect(page.locator(".username")).to_have_text("bob")


def test_a_cursor_that_cannot_be_honoured_gets_a_fresh_page(site, visit, alice):
    page = visit(alice)
    expect_live(page)
    for product in ("Teapot", "Espresso cups"):
        place(alice, product)
    expect(badge(page)).to_have_text("2")

    def from_a_database_that_was_restored_since(route: Route) -> None:
        response = route.fetch()
        html = response.text().replace('data-cursor="2"', 'data-cursor="999"')
        route.fulfill(response=response, body=html)

    page.route(f"{site.url}/", from_a_database_that_was_restored_since, times=1)
    page.reload()
    expect(page.locator("#bell")).to_have_attribute("data-cursor", "2")
    expect_live(page)
    expect(products(page)).to_have_text(["Espresso cups", "Teapot"])
    expect(badge(page)).to_have_text("2")


def test_an_event_that_comes_again_is_shown_once(visit, alice):
    page = visit(alice)
    expect_live(page)
    events = "".join(
        f"event: orders\nid: {position}\n"
        'data: {"order":7,"status":"placed","product":"Teapot","quantity":1,"unit_price":"46.00",'
        '"total":"46.00","customer":"alice","placed_at":"2026-03-09T17:41:00Z"}\n\n'
        for position in (1, 2, 2, 1)
    )
    body = f"retry: 10\n\n{events}"
    page.route(
        "**/orders/realtime?*",
        lambda route: route.fulfill(body=body, content_type="text/event-stream"),
        times=3,
    )
    come_back(page)
    place(alice, "Espresso cups")  # position 1 on the server: the page has passed it
    place(alice, "Cutlery")
    place(alice, "Linen napkins")
    expect(products(page)).to_have_text(["Linen napkins", "Teapot", "Teapot"])
    expect(badge(page)).to_have_text("3")


def test_times_are_the_viewers_own(visit, alice):
    options = {"locale": "en-GB", "timezone_id": "Europe/Berlin"}
    page = visit(alice, **options)
    expect_live(page)
    place(alice, placed_at=datetime(2026, 3, 12, 7, 55, tzinfo=UTC))
    time = page.locator("[data-notifications] time")
    expect(time).to_have_text("12 Mar 2026, 08:55")
    page.reload()
    expect(time).to_have_text("12 Mar 2026, 08:55")


def test_the_bell_does_not_swing_for_those_who_want_less_motion(visit, alice):
    page = visit(alice, reduced_motion="reduce")
    expect_live(page)
    place(alice)
    expect(page.locator("[data-ringing]")).to_have_count(1)
    assert page.evaluate("document.getAnimations().length") == 0


@pytest.mark.parametrize("width", [320, 360, 1280])
def test_it_fits_its_window(visit, alice, width):
    place(alice, "Unbreakable" * 18, quantity=10_000, unit_price="99999999.99")
    page = visit(alice, viewport={"width": width, "height": 640})
    expect(badge(page)).to_have_text("1")
    assert page.evaluate("document.documentElement.scrollWidth") == width
