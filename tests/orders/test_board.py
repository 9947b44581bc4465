"""The staff's board as the server renders it."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission
from django.contrib.staticfiles import finders
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from orders import board
from orders.board import KEPT, Filter, board_snapshot, summary
from orders.models import Order
from orders.status import NEXT, Status
from tests.clients import event_id

from .samples import an_order, move_on, place, place_many

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client, shop):
    """Loads the board as the shop's admin; returns its HTML."""
    client.force_login(shop)

    def page(**parameters: str) -> str:
        return client.get(reverse("orders_board"), parameters).content.decode()

    return page


def rows(html: str) -> list[str]:
    """The rows of the list, without the blanks that the script fills in."""
    return re.findall(
        r'<tr class="board-row".*?</tr>', html.partition("<template data-board-bl")[0], re.S
    )


def shown_orders(html: str) -> list[int]:
    return [int(re.search(r'data-order="(\d+)"', row)[1]) for row in rows(html)]


def counts(html: str) -> dict[str, str]:
    return dict(re.findall(r'data-board-fresh="count-(\w*)">([^<]*)<', html))


def text(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def test_it_asks_strangers_to_sign_in(client):
    response = client.get("/orders/?status=paid")
    assert response.status_code == 302
    assert response.url == "/login/?next=/orders/%3Fstatus%3Dpaid"


@pytest.mark.parametrize("name", ["orders_board", "orders_board_summary"])
def test_it_is_for_those_who_may_view_orders(client, alice, name):
    client.force_login(alice)
    refused = client.get(reverse(name))
    assert refused.status_code == 403
    assert "Your account may not open this page." in refused.content.decode()
    alice.user_permissions.add(Permission.objects.get(codename="view_order"))
    assert client.get(reverse(name)).status_code == 200


def test_the_way_to_it_is_shown_to_those_only(client, alice, shop):
    link = f'href="{reverse("orders_board")}"'
    client.force_login(alice)
    assert link not in client.get("/", follow=True).content.decode()
    client.force_login(shop)
    assert link in client.get("/", follow=True).content.decode()


def test_it_tells_of_everybodys_orders_the_newest_first(page, alice, bob):
    tea = place(alice, "Teapot", 1)
    cups = place(bob, "Espresso cups", 6)
    move_on(tea, "paid")
    html = page()
    assert shown_orders(html) == [cups.pk, tea.pk]
    first, second = map(text, rows(html))
    placed_at = f"{cups.placed_at.astimezone(UTC):%Y}"
    assert first.startswith(f"# {cups.pk} Placed")
    assert placed_at in first
    assert "6 × Espresso cups bob €27.00" in first
    assert second.startswith(f"# {tea.pk} Paid")
    assert f'href="{reverse("order", args=[cups.pk])}"' in rows(html)[0]
    assert f'href="{reverse("admin:orders_order_change", args=[cups.pk])}"' in rows(html)[0]


def test_who_may_see_orders_but_is_not_of_the_staff_gets_no_links_to_the_admin(client, alice):
    alice.user_permissions.add(Permission.objects.get(codename="view_order"))
    place(alice)
    client.force_login(alice)
    assert "/admin/" not in client.get("/orders/").content.decode()


def test_list_and_cursor_leave_no_gap_to_the_stream(page, alice):
    place_many(alice, 3)
    late = an_order(alice)
    late.save()  # committed, and not numbered yet: it is in the list, and will be in the stream
    html = page()
    assert f'data-live-cursor="{event_id(6)}"' in html
    assert shown_orders(html)[0] == late.pk


def test_it_pages_back_to_the_first_order_each_order_once(page, alice):
    moment = datetime(2026, 3, 9, 17, 41, tzinfo=UTC)
    # Many of one moment: the number decides among them, on both sides of the page's end.
    Order.objects.bulk_create(an_order(alice, placed_at=moment) for _ in range(KEPT + 3))
    place_many(alice, KEPT)
    expected = list(Order.objects.values_list("pk", flat=True))
    seen = []
    html = page()
    while True:
        seen += shown_orders(html)
        if not (older := re.search(r'<a rel="next" href="\?before=(\d+)" data-board-older>', html)):
            break
        html = page(before=older[1])
        assert "Back to the newest" in html
    assert seen == expected
    assert len(seen) == 2 * KEPT + 3


def test_a_page_that_is_just_full_promises_no_other(page, alice):
    place_many(alice, KEPT)
    assert re.search(r"data-board-older hidden>", page())


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, ["alice cups", "bob cups", "alice Tea"]),
        ({"status": "paid"}, ["bob cups"]),
        ({"status": "delivered"}, []),
        ({"customer": "alice"}, ["alice cups", "alice Tea"]),
        ({"customer": "LI"}, ["alice cups", "alice Tea"]),
        ({"customer": "lic%"}, []),
        ({"product": "SSO C"}, ["alice cups", "bob cups"]),
        ({"product": "0%"}, []),
        ({"customer": "alice", "product": "tea", "status": "placed"}, ["alice Tea"]),
    ],
)
def test_it_shows_what_is_asked_for(page, alice, bob, parameters, expected):
    names = {}
    for customer, product in ((alice, "Tea"), (bob, "Espresso cups"), (alice, "Espresso cups")):
        order = place(customer, product)
        names[order.pk] = f"{customer} {product.rpartition(' ')[2]}"
    move_on(Order.objects.get(customer=bob), "paid")
    assert [names[order] for order in shown_orders(page(**parameters))] == expected


def test_the_link_to_older_ones_keeps_to_the_filter(page, alice):
    place_many(alice, KEPT + 1)
    html = page(customer="alice", status="placed")
    (query,) = re.findall(r'<a rel="next" href="([^"]*)"', html)
    assert re.fullmatch(r"\?customer=alice&amp;status=placed&amp;before=\d+", query)


def test_counts_obey_the_filter_but_not_its_status(page, alice, bob):
    place_many(alice, 3)
    move_on(place(alice), "paid")
    place(bob)
    assert counts(page()) == dict(zip(["", *Status], ["5", "4", "1", "0", "0", "0"], strict=True))
    assert counts(page(customer="alice", status="paid"))[""] == "4"
    assert counts(page(customer="alice", status="paid"))["placed"] == "3"


def test_it_counts_no_further_than_it_says(page, alice, monkeypatch):
    monkeypatch.setattr(board, "MOST_COUNTED", 2)
    place_many(alice, 2)
    assert counts(page())["placed"] == "2"
    place_many(alice, 2)
    assert counts(page())["placed"] == "2+"
    assert counts(page())[""] == "2+"
    assert summary(Filter()).counts[1].count == 3  # of the four, one that tells of more


def test_the_chart_has_the_orders_of_each_of_the_last_sixty_minutes(page, alice, bob):
    now = timezone.now()
    this_minute = now.replace(second=0, microsecond=0)
    for minutes, count in ((0, 1), (1, 10), (59, 2), (60, 4)):
        placed_at = this_minute - timedelta(minutes=minutes)
        Order.objects.bulk_create(an_order(alice, placed_at=placed_at) for _ in range(count))
    place(bob)
    pace = summary(Filter(customer="alice")).pace
    if timezone.now() - this_minute >= timedelta(minutes=1):
        pytest.skip("The minute has ended during the test.")
    assert [minute.orders for minute in pace.minutes] == [2, *[0] * 57, 10, 1]
    assert [(bar.x, bar.height, bar.is_under_way) for bar in pace.bars()] == [
        (1, 20, False),
        (581, 100, False),
        (591, 10, True),
    ]
    html = page(customer="alice")
    told = "13 orders in the last hour at most 10 in a minute for €117.00"
    assert told in text(html)
    assert "59 minutes ago: 2 orders, €18.00" in text(html)
    assert f"the oldest first: 2, {'0, ' * 57}10, 1" in text(html)


def test_one_order_among_thousands_has_a_bar_that_can_be_seen():
    now = timezone.now()
    pace = board.Pace([board.Minute(now, 5_000), board.Minute(now, 1)])
    assert [bar.height for bar in pace.bars()] == [100, 2]


def heights(*orders: int) -> tuple[int, list[int], list[bool]]:
    """Scale, heights and cuts of a chart of these minutes."""
    now = timezone.now()
    pace = board.Pace([board.Minute(now, count) for count in orders])
    bars = list(pace.bars())
    return pace.scale, [bar.height for bar in bars], [bar.is_cut for bar in bars]


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        ([4], (5, [80], [False])),
        ([4, 6, 8, 7], (10, [40, 60, 80, 70], [False] * 4)),
        # One minute that is far above all others is cut, and doesn't flatten them.
        ([4, 6, 500, 8, 7], (50, [8, 12, 100, 16, 14], [False, False, True, False, False])),
        ([40, 60, 80], (100, [40, 60, 80], [False] * 3)),
    ],
)
def test_the_scale_ends_with_a_round_number_above_what_is_usual(orders, expected):
    assert heights(*orders) == expected


@pytest.fixture
def clerk(client, alice):
    """The browser of somebody who may see orders, and move them on."""
    names = ["view_order", "change_order"]
    alice.user_permissions.add(*Permission.objects.filter(codename__in=names))
    client.force_login(alice)
    return client


def test_an_order_is_moved_on_from_its_row(clerk, bob):
    order = place(bob)
    address = reverse("order_move", args=[order.pk])
    [row] = rows(clerk.get("/orders/").content.decode())
    button = rf'formaction="{address}" name="status" value="paid">Mark as paid</button>'
    assert button in row
    by_form = clerk.post(address, {"status": "paid", "next": "/orders/?status=placed"})
    assert by_form.url == "/orders/?status=placed"
    by_script = clerk.post(address, {"status": "shipped"}, headers={"Accept": "text/plain"})
    assert by_script.status_code == 204
    order.refresh_from_db()
    assert order.status == "shipped"
    assert clerk.post(address, {"status": "delivered", "next": "//evil"}).url == "/orders/"
    assert "Mark as" not in rows(clerk.get("/orders/").content.decode())[0]


def test_it_says_why_an_order_cant_be_moved_on(clerk, bob):
    order = place(bob)
    response = clerk.post(reverse("order_move", args=[order.pk]), {"status": "delivered"})
    assert response.status_code == 409
    assert "can't become “Delivered”" in response.content.decode()
    assert clerk.post(reverse("order_move", args=[0]), {"status": "paid"}).status_code == 404


def test_only_who_may_change_orders_moves_one_on(client, alice, bob):
    order = place(bob)
    alice.user_permissions.add(Permission.objects.get(codename="view_order"))
    client.force_login(alice)
    assert "board-move" not in client.get("/orders/").content.decode().partition("<main")[2]
    refused = client.post(reverse("order_move", args=[order.pk]), {"status": "paid"})
    assert refused.status_code == 403


def test_the_filters_say_what_they_match(page):
    html = page()
    for name in ("customer", "product"):
        assert f'aria-describedby="id_{name}_helptext"' in html
        hint = f'<p class="hint" id="id_{name}_helptext">Any part of the name, in upper or lower'
        assert hint in html


def test_the_summary_alone_is_what_the_page_has(page, client, alice):
    place_many(alice, 2)
    html = page(status="paid")
    alone = client.get(reverse("orders_board_summary"), {"status": "paid"}).content.decode()
    (url,) = re.findall(r'data-summary-url="([^"]*)"', html)
    assert url == "/orders/summary/?status=paid"
    assert alone.strip() in html


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"status": "lost"}, "Select a valid choice. lost is not one of the available choices."),
        ({"product": "a\0b"}, "Product: Null characters are not allowed."),
        ({"before": "7"}, "There is no order 7 to go on from."),
        ({"before": "x"}, "There is no order x to go on from."),
        ({"before": "9" * 30}, f"There is no order {'9' * 30} to go on from."),
    ],
)
def test_it_says_what_is_wrong_with_an_address(page, client, alice, parameters, problem):
    place(alice)
    html = page(**parameters)
    assert problem in unescape(html)
    assert shown_orders(html) == []
    assert "data-live-url" not in html.partition("<main")[2]
    assert client.get("/orders/", parameters).status_code == 400
    assert client.get("/orders/summary/", parameters).status_code == 400


def test_it_takes_as_many_queries_for_three_orders_as_for_a_thousand(page, alice):
    def queries(**parameters: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            page(**parameters)
        return len(captured)

    place_many(alice, 3)
    page()  # what Django looks up once for all is looked up
    few = queries()
    place_many(alice, 1_000)
    assert queries() == few
    before = Order.objects.all()[500].pk
    assert queries(before=str(before), customer="alice", status="placed") == few + 1


def test_a_page_of_one_status_is_found_by_an_index(alice):
    place_many(alice, 1_000)
    place(alice)
    move_on(Order.objects.last(), "paid")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE orders_order")
    with CaptureQueriesContext(connection) as captured:
        board_snapshot(Filter(status="paid"))
    (query,) = [q["sql"] for q in captured if "LIMIT 51" in q["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {query}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "orders_of_a_status" in plan


def test_an_order_comes_to_its_statuses_in_the_order_in_which_the_script_knows_them(page):
    # board_state.js takes an event for outdated if its status stands before the row's.
    statuses = list(Status)
    for status, following in NEXT.items():
        assert all(statuses.index(status) < statuses.index(each) for each in following)
    assert f'data-statuses="{" ".join(statuses)}"' in page()


def test_it_has_a_blank_for_each_status_and_one_for_any_other(page):
    blanks = re.findall(r'<template data-board-blank="(\w*)">', page())
    assert blanks == [*Status, ""]


def test_it_has_colours_for_every_look():
    colours = Path(finders.find("orders/board.css")).read_text(encoding="utf-8")
    for look in (*Status, "changed"):
        assert f".board-{look} {{" in colours
