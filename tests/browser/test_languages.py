"""The site in its visitors' languages, in a browser that asks for one of them."""

import pytest
from playwright.sync_api import expect

from ..orders.samples import an_order
from .bells import BLANK, badge, expect_live, panel


def test_what_rings_in_is_german_in_a_german_browser(visit, alice):
    page = visit(alice, locale="de-DE")
    expect_live(page)
    order = an_order(alice, unit_price="1234.50", quantity=1)
    order.save()
    expect(badge(page)).to_have_text("1")
    page.get_by_role("button", name="Benachrichtigungen, 1 ungelesen").click()
    item = panel(page).locator("[data-bell-row]")
    expect(item).to_contain_text("Aufgegeben · 1 × Tea")
    expect(item).to_contain_text("Wir haben Ihre Bestellung erhalten. Vielen Dank!")
    expect(item.locator("time")).to_have_text("jetzt")
    details = item.locator(".bell-details")
    rung_in = details.inner_text()
    page.reload()
    page.get_by_role("button", name="Benachrichtigungen").click()
    expect(details).to_have_text(rung_in, use_inner_text=True)


@pytest.mark.parametrize("locale", ["de-DE", "es-ES"])
def test_its_words_fit_a_narrow_window(visit, alice, shop, locale):
    order = an_order(alice)
    order.save()
    options = {"locale": locale, "viewport": {"width": 320, "height": 640}}
    for user, paths in (
        (None, ["/login/"]),
        (alice, ["/", "/notifications/", f"/orders/{order.pk}/"]),
        (shop, ["/", "/orders/", f"/orders/{order.pk}/"]),
    ):
        page = visit(user, at=BLANK, **options)
        for path in paths:
            page.goto(path)
            expect(page.locator("html")).to_have_attribute("lang", locale[:2])
            assert page.evaluate("document.documentElement.scrollWidth") == 320, path
