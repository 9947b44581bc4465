"""The site has one stream: whatever a browser's pages show of it, they share one connection."""

import pytest
from playwright.sync_api import expect

from ..orders.samples import an_order
from .bells import BLANK, expect_live
from .following import is_question

PAGES = ["/orders/", "/notifications/", "/orders/transfers/", "/", "/admin/"]


@pytest.mark.parametrize("person", ["alice", "shop"])
def test_board_bell_and_orders_share_it(visit, request, person, alice):
    user = request.getfixturevalue(person)
    order = an_order(alice)
    order.save()
    page = visit(user, at=BLANK)
    opened = []
    page.context.on("request", lambda sent: opened.append(sent) if is_stream(sent) else None)
    page.context.on("requestfinished", lambda sent: sent in opened and opened.remove(sent))
    page.context.on("requestfailed", lambda sent: sent in opened and opened.remove(sent))
    paths = [f"/orders/{order.pk}/", *(PAGES if person == "shop" else ["/notifications/", "/"])]
    tabs = [page, *(page.context.new_page() for _ in paths[1:])]
    for tab, path in zip(tabs, paths, strict=True):
        tab.goto(path)
        expect_live(tab)
    order.status = "paid"
    order.save()
    expect(tabs[0].locator(".timeline h3")).to_have_text(["Placed", "Paid"])
    if person == "shop":
        expect(tabs[1].locator(f'[data-board-rows] tr[data-order="{order.pk}"]')).to_contain_text(
            "Paid"
        )
    else:
        expect(tabs[1].locator("main [data-bell-row] strong")).to_have_text("Paid")
    assert len(opened) == 1, [sent.url for sent in opened]


def is_stream(sent) -> bool:
    return sent.method == "GET" and sent.resource_type == "eventsource" and not is_question(sent)
