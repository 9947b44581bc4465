"""Where things stand: one set of edges on all pages, and room for the words of every language."""

from collections.abc import Iterator

from playwright.sync_api import Page, expect

from ..orders.samples import an_order
from .bells import expect_live

BLANK = "about:blank"
LANGUAGES = ["en", "de", "es"]
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
# Of a header: a line is a button of 44 px with its gap.
TWO_LINES_PX = 2 * 44 + 40
# Of a page: where the brand begins, from the left and from the top, and the heading.
EDGES = """() => {
  const [brand, heading] = [".brand", "main h1"].map(
    selector => document.querySelector(selector).getBoundingClientRect());
  return [brand.x, brand.y, heading.x];
}"""


def box(page: Page, selector: str) -> dict[str, float]:
    found = page.locator(selector).first.bounding_box()
    assert found, f"{selector} is not shown on {page.url}"
    return found


def in_each_language(page: Page, path: str) -> Iterator[str]:
    """The page at this address in each language, asked for by the header of browsers."""
    for language in LANGUAGES:
        page.set_extra_http_headers({"Accept-Language": language})
        page.goto(path)
        expect(page.locator("html")).to_have_attribute("lang", language)
        expect(page.locator("main h1")).to_be_visible()
        yield language


def set_width(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})


def test_all_pages_have_one_set_of_edges(visit, shop, alice, subtests):
    order = an_order(alice)
    order.save()
    page = visit(shop, at=BLANK)
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
            of_pages[path] = page.evaluate(EDGES)
    for width, of_pages in edges.items():
        with subtests.test(width=width):
            assert len(set(map(tuple, of_pages.values()))) == 1, of_pages
            brand_x, _, heading_x = of_pages["/"]
            assert brand_x == heading_x


def test_a_wide_page_is_used_to_its_end(visit, shop, alice, subtests):
    for _ in range(3):
        an_order(shop).save()
    page = visit(shop, at=BLANK)
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


def test_the_header_of_a_phone_takes_two_lines_with_the_bell_at_its_end(
    visit, shop, alice, subtests
):
    for user in (alice, shop):
        page = visit(user, at=BLANK, **PHONE)
        for language in in_each_language(page, "/notifications/"):
            with subtests.test(user=user.username, language=language):
                assert box(page, ".masthead")["height"] <= TWO_LINES_PX
                bell, brand = box(page, ".bell-button"), box(page, ".brand")
                assert bell["x"] + bell["width"] > 360 - 30
                assert abs(bell["y"] - brand["y"]) < 10


def test_the_header_of_a_customer_keeps_to_one_line_on_the_smallest_phone(visit, alice, subtests):
    page = visit(alice, at=BLANK)
    for language in in_each_language(page, "/notifications/"):
        for width in (300, 320, 352):
            with subtests.test(language=language, width=width):
                set_width(page, width)
                brand, bell = box(page, ".brand"), box(page, ".bell-button")
                sign_out = box(page, ".account button")
                assert brand["x"] + brand["width"] <= sign_out["x"]
                assert sign_out["x"] + sign_out["width"] <= bell["x"]
                assert bell["x"] + bell["width"] <= width
                assert abs(bell["y"] - brand["y"]) < 10


def test_the_name_of_no_step_is_broken(visit, alice, subtests):
    an_order(alice).save()
    page = visit(alice, at=BLANK, **PHONE)
    for language in in_each_language(page, "/"):
        with subtests.test(language=language):
            lines = page.locator(".stage span").evaluate_all(
                "spans => spans.map(span => span.getClientRects().length)"
            )
            assert lines == [1] * len(lines)
            assert lines
