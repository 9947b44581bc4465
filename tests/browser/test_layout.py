"""Where things stand: one set of edges on all pages, and room for the words of every language."""

import pytest
from playwright.sync_api import Page, expect

from ..orders.samples import an_order
from .bells import expect_live

LOCALES = ["en-GB", "de-DE", "es-ES"]
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
# Of a header: a line is a button of 44 px with its gap.
TWO_LINES_PX = 2 * 44 + 40


def box(page: Page, selector: str) -> dict[str, float]:
    found = page.locator(selector).first.bounding_box()
    assert found, f"{selector} is not shown on {page.url}"
    return found


@pytest.mark.parametrize("width", [360, 1440])
def test_all_pages_have_one_set_of_edges(visit, shop, alice, width):
    order = an_order(alice)
    order.save()
    page = visit(shop, viewport={"width": width, "height": 900})
    edges = {}
    for path in (
        "/",
        "/orders/",
        f"/orders/{order.pk}/",
        "/orders/transfers/",
        "/notifications/",
        "/notifications/choices/",
    ):
        page.goto(path)
        brand, heading = box(page, ".brand"), box(page, "main h1")
        edges[path] = (brand["x"], brand["y"], heading["x"])
    assert len(set(edges.values())) == 1, edges
    [(brand_x, _, heading_x)] = set(edges.values())
    assert brand_x == heading_x


@pytest.mark.parametrize("path", ["/", "/orders/transfers/", "/notifications/", "/api/docs/"])
def test_a_wide_page_is_used_to_its_end(visit, shop, alice, path):
    for _ in range(3):
        an_order(shop).save()
    page = visit(shop, viewport={"width": 1440, "height": 900})
    page.goto(path)
    expect_live(page)
    bell = box(page, ".bell-button")
    parts = page.locator("#content").locator("button, a, li, form")
    expect(parts.first).to_be_visible()
    ends = parts.evaluate_all(
        "elements => elements.map(element => element.getBoundingClientRect().right)"
    )
    assert max(ends) >= bell["x"]


@pytest.mark.parametrize("locale", LOCALES)
def test_the_header_of_a_phone_takes_two_lines_with_the_bell_at_its_end(visit, shop, alice, locale):
    for user in (alice, shop):
        page = visit(user, locale=locale, **PHONE)
        expect(page.locator("main h1")).to_be_visible()
        assert box(page, ".masthead")["height"] <= TWO_LINES_PX
        bell, brand = box(page, ".bell-button"), box(page, ".brand")
        assert bell["x"] + bell["width"] > 360 - 30
        assert abs(bell["y"] - brand["y"]) < 10


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("width", [300, 320, 352])
def test_the_header_of_a_customer_keeps_to_one_line_on_the_smallest_phone(
    visit, alice, locale, width
):
    page = visit(alice, locale=locale, viewport={"width": width, "height": 640})
    expect(page.locator("main h1")).to_be_visible()
    brand, bell = box(page, ".brand"), box(page, ".bell-button")
    sign_out = box(page, ".account button")
    assert brand["x"] + brand["width"] <= sign_out["x"]
    assert sign_out["x"] + sign_out["width"] <= bell["x"]
    assert bell["x"] + bell["width"] <= width
    assert abs(bell["y"] - brand["y"]) < 10


@pytest.mark.parametrize("locale", LOCALES)
def test_the_name_of_no_step_is_broken(visit, alice, locale):
    an_order(alice).save()
    page = visit(alice, locale=locale, **PHONE)
    page.goto("/")
    lines = page.locator(".stage span").evaluate_all(
        "spans => spans.map(span => span.getClientRects().length)"
    )
    assert lines == [1] * len(lines)
    assert lines
