import re

import pytest
from playwright.sync_api import expect

from orders.models import Order

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_shop_places_an_order_for_a_customer_and_moves_it_on(visit, shop, alice, bob):
    page = visit(shop, at="/admin/orders/order/add/")
    page.get_by_role("combobox").click()
    page.get_by_role("searchbox").last.fill("ali")
    page.get_by_role("option", name="alice").click()
    page.get_by_label("Product").fill("Tea")
    page.get_by_label("Quantity").fill("2")
    page.get_by_label("Unit price").fill("4.50")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".field-total")).to_have_text("9.00")
    assert Order.objects.get().customer == alice

    page.get_by_label(re.compile("Select this object")).check()
    page.locator("select[name=action]").select_option("mark_as_paid")
    page.get_by_role("button", name=re.compile("Go|Run")).click()
    expect(page.locator(".messagelist")).to_have_text("1 order is now “Paid”.")
