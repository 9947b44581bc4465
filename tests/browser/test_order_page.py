"""The page of an order, open while something happens to it."""

import re

from playwright.sync_api import expect

from ..orders.samples import an_order
from .bells import expect_live


def test_it_goes_the_way_of_its_order(visit, alice):
    order, other = an_order(alice), an_order(alice)
    order.save()
    other.save()
    page = visit(alice, at=f"/orders/{order.pk}/")
    steps = page.locator(".timeline h3")
    expect(steps).to_have_text(["Placed"])
    expect_live(page)
    page.evaluate("document.body.dataset.isTheSamePage = ''")

    other.status = "cancelled"
    other.save()
    for status in ("paid", "shipped"):
        order.status = status
        order.save()
    expect(steps).to_have_text(["Placed", "Paid", "Shipped"])
    expect(page.locator(".timeline time").last).not_to_have_text(re.compile("UTC"))
    assert page.locator("body").get_attribute("data-is-the-same-page") == ""


def test_the_staff_sees_the_way_of_anybodys_order(visit, alice, shop):
    order = an_order(alice)
    order.save()
    page = visit(shop, at=f"/orders/{order.pk}/")
    steps = page.locator(".timeline h3")
    expect(steps).to_have_text(["Placed"])
    order.status = "cancelled"
    order.save()
    expect(steps).to_have_text(["Placed", "Cancelled"])


def test_it_keeps_trying_while_the_server_fails(visit, complaints, alice):
    complaints.expect("503")
    order = an_order(alice)
    order.save()
    page = visit(alice, at=f"/orders/{order.pk}/")
    expect_live(page)
    page.route(f"**/orders/{order.pk}/", lambda route: route.fulfill(status=503), times=2)
    order.status = "paid"
    order.save()
    expect(page.locator(".timeline h3")).to_have_text(["Placed", "Paid"])


def test_it_says_that_its_order_has_been_deleted(visit, complaints, alice):
    complaints.expect("404", "inline style")  # of the page that DEBUG shows instead of ours
    order = an_order(alice)
    order.save()
    page = visit(alice, at=f"/orders/{order.pk}/")
    expect_live(page)
    order.delete()
    expect(page.get_by_role("heading", name="This order has been deleted")).to_be_visible()
    expect(page.locator(".timeline")).to_have_count(0)
    expect(page.locator(".facts")).to_contain_text("Tea")
