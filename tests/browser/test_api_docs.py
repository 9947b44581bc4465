import json
import re

import pytest
from playwright.sync_api import expect

from orders.models import Order

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_order_can_be_placed_from_the_page_to_try_the_api(visit, alice):
    page = visit(alice, at="/api/docs/")
    page.locator("#operations-orders-orders_create .opblock-summary").click()
    page.get_by_role("button", name="Try it out").click()
    order = {"product": "Tea", "quantity": 2, "unit_price": "4.50"}
    page.locator(".body-param textarea").fill(json.dumps(order))
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table .response-col_status").last).to_have_text(
        re.compile("201")
    )
    assert Order.objects.get().customer == alice
