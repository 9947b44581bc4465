"""The bell's page, and its state at the moment when the server renders it."""

import re

import pytest
from django.test import Client
from django.test.html import Element, parse_html
from django.urls import reverse

import realtime
from orders.bell import bell_snapshot, mark_read, mark_seen
from orders.models import Bell

from .pages import attribute, element, elements, shown_text
from .samples import an_order, place, place_many

pytestmark = pytest.mark.django_db


@pytest.fixture
def alices_page(client, alice):
    """Loads the page as Alice; returns its HTML."""
    client.force_login(alice)
    return lambda: client.get(reverse("bell")).content.decode()


def shown_states(html: str) -> dict[int, str]:
    """Positions and states in the list of the page, in its order."""
    items = elements(element(parse_html(html), "main"), "li", data_position=None)
    return {int(attribute(li, "data-position")): attribute(li, "data-state") for li in items}


def shown_positions(html: str) -> list[int]:
    return list(shown_states(html))


def setting(html: str, name: str) -> str:
    """An attribute that the bell's script reads."""
    return attribute(element(parse_html(html), data_bell=None), f"data-{name}")


def fields_of(form: Element) -> dict[str, str]:
    inputs = elements(form, "input", type="hidden")
    return {attribute(field, "name"): attribute(field, "value") for field in inputs}


def test_it_asks_strangers_to_sign_in(client):
    response = client.get("/")
    assert response.status_code == 302
    assert response.url == "/login/?next=/"


def test_it_shows_a_new_customer_an_empty_bell(alices_page):
    html = alices_page()
    assert setting(html, "cursor") == "0"
    assert setting(html, "new-positions") == ""
    assert re.search(r'<div class="empty" data-bell-empty>', html)
    assert "Nothing here yet" in html
    assert "<title>Your orders</title>" in html


def test_it_lists_the_newest_first_and_no_more_than_twenty(alices_page, alice):
    place_many(alice, 22)
    assert shown_positions(alices_page()) == list(range(22, 2, -1))


def test_it_never_shows_what_is_another_customers(alices_page, alice, bob):
    place(bob, "Bob's secret")
    place(alice, "Teapot")
    place(bob, "Bob's other secret")
    html = alices_page()
    assert shown_positions(html) == [2]
    assert setting(html, "new-positions") == "2"
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
    current_cursor = realtime.current_cursor

    def place_another_once_it_has_read_the_cursor(stream: str) -> realtime.Cursor:
        cursor = current_cursor(stream)
        place(alice)
        return cursor

    monkeypatch.setattr(realtime, "current_cursor", place_another_once_it_has_read_the_cursor)
    snapshot = bell_snapshot(alice)
    assert snapshot.cursor.position == 1
    assert [notification.position for notification in snapshot.notifications] == [1]
    assert snapshot.new_positions == [1]


def test_what_has_no_position_yet_is_left_to_the_stream(alice):
    place(alice)
    an_order(alice).save()
    snapshot = bell_snapshot(alice)
    assert snapshot.cursor.position == 1
    assert [notification.position for notification in snapshot.notifications] == [1]


def test_it_counts_what_came_after_the_customer_last_looked(alices_page, alice):
    place_many(alice, 3)
    mark_seen(alice, 1)
    html = alices_page()
    assert setting(html, "new-positions") == "2 3"
    assert setting(html, "seen-position") == "1"
    main = element(parse_html(html), "main")
    assert shown_text(element(main, data_bell_some_new=None)) == "2 new"
    assert shown_text(element(main, data_bell_none_new=None)) == ""
    assert shown_states(html) == {3: "new", 2: "new", 1: "seen"}


@pytest.mark.parametrize(("orders", "text"), [(99, "99"), (100, "99+"), (101, "99+")])
def test_it_counts_to_99(alice, orders, text):
    place_many(alice, orders)
    assert bell_snapshot(alice).new_count_text == text


def test_what_was_read_unseen_is_not_counted(alice):
    place_many(alice, 3)
    mark_read(alice, 2)
    snapshot = bell_snapshot(alice)
    assert snapshot.new_positions == [1, 2, 3]
    assert snapshot.new_count == 2


def test_of_more_than_can_be_counted_none_is_taken_off(alice):
    # A page that lives on doesn't know how many more there are, so it can't tell either.
    place_many(alice, 101)
    mark_read(alice, 101)
    mark_read(alice, 100)
    assert bell_snapshot(alice).new_count_text == "99+"


def test_it_asks_the_database_the_same_few_questions_however_long_the_list(
    alice, django_assert_num_queries
):
    for orders in (0, 50):
        place_many(alice, orders)
        with django_assert_num_queries(4):  # the cursor, what was seen, what is new, the list
            bell_snapshot(alice)


def test_the_page_and_its_header_ask_once(client, alice, django_assert_num_queries):
    client.force_login(alice)
    for orders in (0, 50):
        place_many(alice, orders)
        with django_assert_num_queries(6):  # session and user, and the four above
            client.get("/")


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


def test_browsers_keep_no_copy_of_it(client, alice):
    client.force_login(alice)
    for name in ("bell", "bell_state", "notifications"):
        assert "no-store" in client.get(reverse(name)).headers["Cache-Control"]


@pytest.mark.parametrize("name", ["bell", "bell_state", "notifications"])
def test_it_is_only_read_at_its_address(client, alice, name):
    client.force_login(alice)
    assert client.post(reverse(name)).status_code == 405


def test_all_can_be_marked_as_read_without_a_script(alices_page, client, alice):
    place_many(alice, 2)
    main = element(parse_html(alices_page()), "main")
    fields = fields_of(element(main, "form", data_bell_read_all=None))
    response = client.post(reverse("bell_read"), fields, headers={"Accept": "text/html,*/*;q=0.8"})
    assert response.status_code == 302
    assert response.url == "/"
    html = alices_page()
    assert setting(html, "new-positions") == ""
    assert shown_states(html) == {2: "read", 1: "read"}


def test_one_can_be_marked_as_read_without_a_script(alices_page, client, alice):
    place_many(alice, 2)
    page = parse_html(alices_page())
    fields = fields_of(element(page, "form", id="bell-read-one"))
    button, _ = elements(page, "button", form="bell-read-one", name="position", value="1")
    assert shown_text(button) == "Mark as read"
    response = client.post(reverse("bell_read"), {**fields, "position": 1})
    assert response.url == "/"
    assert Bell.objects.get().read_positions == [1]


@pytest.mark.parametrize("name", ["bell_seen", "bell_read"])
def test_a_script_needs_no_second_page(client, alice, name):
    place(alice)
    client.force_login(alice)
    response = client.post(reverse(name), {"position": 1}, headers={"Accept": "application/json"})
    assert response.status_code == 204
    assert Bell.objects.get(user=alice).seen_position == 1


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""]
)
def test_a_form_leads_back_to_pages_of_this_site_only(client, alice, elsewhere):
    client.force_login(alice)
    fields = {"position": 0, "next": elsewhere}
    assert client.post(reverse("bell_seen"), fields).url == "/"
    assert client.post(reverse("bell_seen"), {**fields, "next": "/admin/"}).url == "/admin/"


@pytest.mark.parametrize("name", ["bell_seen", "bell_read"])
@pytest.mark.parametrize("position", [None, "", "-1", "1.5", "newest", "9" * 5000])
def test_a_position_that_is_none_is_refused_and_says_why(client, alice, name, position):
    client.force_login(alice)
    response = client.post(reverse(name), {} if position is None else {"position": position})
    assert response.status_code == 400
    assert response.content.decode() == (
        "position has to be the whole number of an event, 0 or more."
    )
    assert not Bell.objects.exists()


def test_the_buttons_lead_strangers_to_the_page_not_to_a_get_of_their_own_address(client):
    for name in ("bell_seen", "bell_read"):
        response = client.post(reverse(name), {"position": 1})
        assert response.status_code == 302
        assert response.url == "/login/?next=/"
    assert not Bell.objects.exists()


def test_a_script_is_told_that_its_user_has_been_signed_out(client):
    headers = {"Accept": "application/json"}
    for response in (
        client.post(reverse("bell_seen"), {"position": 1}, headers=headers),
        client.post(reverse("bell_read"), {"position": 1}, headers=headers),
        client.get(reverse("bell_state")),
    ):
        assert response.status_code == 401
        assert response.content.decode() == "You have been signed out. Sign in again."


@pytest.mark.parametrize("name", ["bell_seen", "bell_read"])
def test_the_buttons_take_only_posts_of_their_own_forms(alice, name):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.get(reverse(name)).status_code == 405
    response = client.post(reverse(name), {"position": 0})
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


def test_a_failure_is_told_in_the_same_dress_and_without_the_bell(client, alice, monkeypatch):
    client.force_login(alice)
    client.raise_request_exception = False
    monkeypatch.setattr("orders.bell.bell_snapshot", None)
    response = client.get("/")
    assert response.status_code == 500
    assert "The fault is ours, not yours." in response.content.decode()
