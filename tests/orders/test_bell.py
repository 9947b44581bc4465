"""The bell as the server renders it, and the button that empties it."""

import re
from html import unescape
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.db import connection
from django.test import Client
from django.urls import reverse

from orders import notifications
from orders.events import STREAM
from orders.models import Bell, Order
from orders.notifications import WORDS, bell_snapshot, mark_seen
from orders.status import Status

pytestmark = pytest.mark.django_db


def publish_waiting() -> None:
    """What a process that listens does after each commit."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM realtime_number_events_v1(%s, 1000)", [STREAM])


def place(customer, product: str = "Espresso cups", quantity: int = 2) -> Order:
    """Place an order, whose event gets its position at once."""
    order = Order.objects.create(
        customer=customer, product=product, quantity=quantity, unit_price="4.50"
    )
    publish_waiting()
    return order


def move_on(order: Order, status: str) -> None:
    order.status = status
    order.save()
    publish_waiting()


@pytest.fixture
def alices_page(client, alice):
    """Loads the page as Alice; returns its HTML."""
    client.force_login(alice)
    return lambda: client.get(reverse("bell")).content.decode()


def shown_positions(html: str) -> list[int]:
    return [int(position) for position in re.findall(r'data-position="(\d+)"', html)]


def setting(html: str, name: str) -> str:
    return unescape(re.search(rf'\bdata-{name}="([^"]*)"', html)[1])


def test_it_asks_strangers_to_sign_in(client):
    response = client.get("/")
    assert response.status_code == 302
    assert response.url == "/login/?next=/"


def test_it_shows_a_new_customer_an_empty_bell(alices_page):
    html = alices_page()
    assert setting(html, "cursor") == "0"
    assert setting(html, "new-count") == "0"
    assert re.search(r'<div class="empty" data-empty>', html)
    assert "Nothing here yet" in html
    assert "<title>Your orders</title>" in html


def test_it_tells_what_happened_in_words(alices_page, alice):
    order = place(alice, "Espresso cups", 6)
    move_on(order, "paid")
    move_on(order, "shipped")
    newest = alices_page().split("<li ")[1]
    text = " ".join(unescape(re.sub(r"<[^>]*>", "", newest.partition(">")[2])).split())
    placed_at = f"{order.placed_at:%b %Y, %H:%M} UTC"
    assert text.startswith("6 × Espresso cups It has left us and is on its way to you.")
    assert f"Order #{order.pk}" in text
    assert "Total 27.00" in text
    assert placed_at in text
    assert text.split("UTC")[1].startswith(" New Shipped")


def test_it_has_words_for_every_status():
    assert set(WORDS) == set(Status)


def test_it_has_an_icon_and_colours_for_every_look():
    icons = Path(finders.find("orders/icons.svg")).read_text(encoding="utf-8")
    colours = Path(finders.find("orders/bell.css")).read_text(encoding="utf-8")
    for look in (*WORDS, "changed"):
        assert f'id="{look}"' in icons
        assert f".{look} {{" in colours


def test_it_has_words_for_a_status_it_does_not_know(alices_page, alice, monkeypatch):
    place(alice)
    monkeypatch.delitem(notifications.WORDS, Status.PLACED)
    assert "There is news about this order." in alices_page().partition("</li>")[0]


def test_it_lists_the_newest_first_and_no_more_than_twenty(alices_page, alice):
    for _ in range(22):
        place(alice)
    assert shown_positions(alices_page()) == list(range(22, 2, -1))


def test_it_never_shows_what_is_another_customers(alices_page, alice, bob):
    place(bob, "Bob's secret")
    place(alice, "Teapot")
    place(bob, "Bob's other secret")
    html = alices_page()
    assert shown_positions(html) == [2]
    assert setting(html, "new-count") == "1"
    assert "secret" not in html


def test_it_shows_staff_their_own_orders_only(client, alice, shop):
    place(alice, "Teapot")
    client.force_login(shop)
    html = client.get("/").content.decode()
    assert "Teapot" not in html
    assert reverse("admin:orders_order_add") in html


def test_it_gives_out_the_cursor_up_to_which_it_shows(alices_page, alice, bob):
    place(alice)
    place(bob)
    assert setting(alices_page(), "cursor") == "2"


def test_what_is_published_while_it_renders_is_left_to_the_stream(alice, monkeypatch):
    place(alice)
    position = notifications.stream_position

    def place_another_once_it_has_read_the_cursor() -> int:
        cursor = position()
        place(alice)
        return cursor

    monkeypatch.setattr(notifications, "stream_position", place_another_once_it_has_read_the_cursor)
    bell = bell_snapshot(alice)
    assert bell.cursor == 1
    assert [notification.position for notification in bell.notifications] == [1]
    assert bell.new_count == 1


def test_what_has_no_position_yet_is_left_to_the_stream(alice):
    place(alice)
    Order.objects.create(customer=alice, product="Teapot", quantity=1, unit_price="46.00")
    bell = bell_snapshot(alice)
    assert bell.cursor == 1
    assert [notification.position for notification in bell.notifications] == [1]


def test_it_counts_what_came_after_the_customer_last_looked(alices_page, alice):
    for _ in range(3):
        place(alice)
    mark_seen(alice, 1)
    html = alices_page()
    assert setting(html, "new-count") == "2"
    assert "<title>(2) Your orders</title>" in html
    new = re.findall(r'data-position="(\d+)" data-new', html)
    assert new == ["3", "2"]


@pytest.mark.parametrize(("orders", "text"), [(99, "99"), (100, "99+"), (101, "99+")])
def test_it_counts_to_99(alice, orders, text):
    Order.objects.bulk_create(
        Order(customer=alice, product="Spoon", quantity=1, unit_price="2.00") for _ in range(orders)
    )
    publish_waiting()
    assert bell_snapshot(alice).new_count_text == text


def test_it_asks_the_database_the_same_few_questions_however_long_the_list(
    alice, django_assert_num_queries
):
    for orders in (0, 5):
        for _ in range(orders):
            place(alice)
        with django_assert_num_queries(4):  # the cursor, what was seen, the count, the list
            bell_snapshot(alice)


def test_it_shows_a_hostile_product_name_as_text(alices_page, alice):
    place(alice, '"><script>alert(1)</script>')
    html = alices_page()
    assert "<script>alert" not in html
    assert "&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_it_sends_a_strict_content_security_policy(client, alice):
    client.force_login(alice)
    for response in (client.get("/"), client.get("/login/"), Client().get("/login/")):
        policy = response.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "script-src 'self'" in policy
        assert "style-src 'self'" in policy


def test_it_holds_nothing_that_the_policy_forbids(alices_page, alice):
    place(alice)
    html = alices_page()
    assert len(re.findall(r"<script\b[^>]*\bsrc=", html)) == html.count("<script") == 1
    assert "<style" not in html
    assert not re.search(r"<[^>]*\s(style|on\w+)=", html)


def test_browsers_keep_no_copy_of_it(client, alice):
    client.force_login(alice)
    assert "no-store" in client.get("/").headers["Cache-Control"]


def test_it_is_only_read_at_its_address(client, alice):
    client.force_login(alice)
    assert client.post("/").status_code == 405


def test_the_button_works_without_a_script(alices_page, client, alice):
    place(alice)
    place(alice)
    cursor = re.search(r'name="position" value="(\d+)"', alices_page())[1]
    response = client.post(
        reverse("bell_seen"), {"position": cursor}, headers={"Accept": "text/html,*/*;q=0.8"}
    )
    assert response.status_code == 302
    assert response.url == "/"
    html = alices_page()
    assert setting(html, "new-count") == "0"
    assert shown_positions(html) == [2, 1]


def test_the_button_needs_no_second_page_with_a_script(client, alice):
    place(alice)
    client.force_login(alice)
    response = client.post(
        reverse("bell_seen"), {"position": 1}, headers={"Accept": "application/json"}
    )
    assert response.status_code == 204
    assert Bell.objects.get(user=alice).seen_position == 1


def test_seen_never_moves_backwards(alice):
    for _ in range(3):
        place(alice)
    mark_seen(alice, 3)
    mark_seen(alice, 1)
    assert Bell.objects.get(user=alice).seen_position == 3


def test_seen_never_runs_ahead_of_the_stream(alice):
    place(alice)
    mark_seen(alice, 10**30)
    assert Bell.objects.get(user=alice).seen_position == 1
    place(alice)
    assert bell_snapshot(alice).new_count == 1


def test_what_one_customer_has_seen_is_still_new_for_another(alice, bob):
    place(alice)
    place(bob)
    mark_seen(alice, 2)
    assert bell_snapshot(bob).new_count == 1


@pytest.mark.parametrize("position", [None, "", "-1", "1.5", "newest", "9" * 5000])
def test_a_position_that_is_none_is_refused_and_says_why(client, alice, position):
    client.force_login(alice)
    response = client.post(reverse("bell_seen"), {} if position is None else {"position": position})
    assert response.status_code == 400
    assert response.content.decode() == (
        "position has to be the whole number of the last event seen, 0 or more."
    )
    assert not Bell.objects.exists()


def test_the_button_leads_strangers_to_the_page_not_to_a_get_of_its_own_address(client):
    response = client.post(reverse("bell_seen"), {"position": 1})
    assert response.status_code == 302
    assert response.url == "/login/?next=/"
    assert not Bell.objects.exists()


def test_the_button_takes_only_posts_of_its_own_form(alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.get(reverse("bell_seen")).status_code == 405
    response = client.post(reverse("bell_seen"), {"position": 0})
    assert response.status_code == 403
    assert "its form no longer works" in response.content.decode()
    assert not Bell.objects.exists()


def test_signing_in_and_out_leads_to_the_bell_and_back(client, alice):
    sign_in = client.post(
        "/login/", {"username": "alice", "password": "correct horse battery staple"}
    )
    assert sign_in.url == "/"
    assert client.get("/login/").url == "/"
    sign_out = client.post("/logout/")
    assert sign_out.url == "/login/"
    assert client.get("/").status_code == 302


def test_a_wrong_password_is_told_on_the_login_page(client, alice):
    html = client.post("/login/", {"username": "alice", "password": "guess"}).content.decode()
    assert 'role="alert"' in html
    assert "Please enter a correct username and password" in html


def test_a_page_that_is_not_there_says_so_in_the_same_dress(client, alice):
    client.force_login(alice)
    response = client.get("/no-such-page")
    assert response.status_code == 404
    assert "There is nothing at this address." in response.content.decode()


def test_a_failure_is_told_in_the_same_dress(client, alice, monkeypatch):
    client.force_login(alice)
    client.raise_request_exception = False
    monkeypatch.setattr("orders.views.bell_snapshot", None)
    response = client.get("/")
    assert response.status_code == 500
    assert "The fault is ours, not yours." in response.content.decode()
