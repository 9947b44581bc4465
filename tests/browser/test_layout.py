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


def set_width(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})


def test_all_pages_have_one_set_of_edges(visit, shop, alice, subtests):
    order = an_order(alice)
    order.save()
    page = visit(shop)
    edges = {360: {}, 1440: {}}
    for path in (
        "/",
        "/orders/",
        f"/orders/{order.pk}/",
        "/orders/transfers/",
        "/notifications/",
        "/notifications/choices/",
    ):
        page.goto(path)
        for width, of_pages in edges.items():
            set_width(page, width)
            brand, heading = box(page, ".brand"), box(page, "main h1")
            of_pages[path] = (brand["x"], brand["y"], heading["x"])
    for width, of_pages in edges.items():
        with subtests.test(width=width):
            assert len(set(of_pages.values())) == 1, of_pages
            [(brand_x, _, heading_x)] = set(of_pages.values())
            assert brand_x == heading_x


def test_a_wide_page_is_used_to_its_end(visit, shop, alice, subtests):
    for _ in range(3):
        an_order(shop).save()
    page = visit(shop)
    set_width(page, 1440)
    for path in ("/", "/orders/transfers/", "/notifications/", "/api/docs/"):
        with subtests.test(path=path):
            page.goto(path)
            expect_live(page)
            bell = box(page, ".bell-button")
            parts = page.locator("#content").locator("button, a, li, form").filter(visible=True)
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
def test_the_header_of_a_customer_keeps_to_one_line_on_the_smallest_phone(
    visit, alice, locale, subtests
):
    page = visit(alice, locale=locale)
    for width in (300, 320, 352):
        with subtests.test(width=width):
            set_width(page, width)
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
    page = visit(alice, locale=locale, **PHONE, at="/")
    lines = page.locator(".stage span").evaluate_all(
        "spans => spans.map(span => span.getClientRects().length)"
    )
    assert lines == [1] * len(lines)
    assert lines
