"""The bell's pages, its buttons and its JSON, at the moment when the server renders them."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.test.html import Element, parse_html
from django.urls import reverse

from realtime.bell import snapshot
from realtime.bell.kinds import kind_named
from realtime.bell.models import Bell, Thread
from realtime.bell.snapshot import PAGE, bell_snapshot
from realtime.models import OutboxEvent
from tests.orders.pages import attribute, element, elements, page_of, shown_text

from .samples import act, number_waiting, states, tell, tell_all

pytestmark = pytest.mark.django_db

PAGES = ["bell:inbox", "bell:state", "bell:choices", "bell:api"]
HTML = {"Accept": "text/html,*/*;q=0.8"}
JSON = {"Accept": "application/json"}


@pytest.fixture
def inbox(client, alice):
    """Loads the inbox as Alice; returns its content, without the header and its bell."""
    client.force_login(alice)

    def load(address: str = "") -> Element:
        response = client.get(reverse("bell:inbox") + address)
        assert response.status_code == 200
        return element(page_of(response), "main")

    return load


def rows(page: Element) -> dict[str, str]:
    """Subjects and states of the rows, in their order."""
    found = elements(page, "li", data_bell_row=None)
    return {attribute(row, "data-subject"): attribute(row, "data-state") for row in found}


def row(page: Element, subject: str) -> Element:
    return element(page, "li", data_subject=subject)


def fields_of(page: Element) -> dict[str, str]:
    """What the one form of all buttons sends beside the button."""
    form = element(page, "form", id="bell-change")
    inputs = elements(form, "input", type="hidden")
    return {attribute(field, "name"): attribute(field, "value") for field in inputs}


def press(client: Client, address: str, action: str, subject: str | None = None) -> str:
    """Press a button of a page, as a browser without a script does; where it leads."""
    page = page_of(client.get(address))
    value = f"{action} {subject}" if subject else action
    inbox = element(page, "main")
    assert list(elements(inbox, "button", form="bell-change", name="change", value=value))
    response = client.post(
        reverse("bell:change"), {**fields_of(page), "change": value}, headers=HTML
    )
    number_waiting()
    assert response.status_code == 302
    return response.url


def test_strangers_are_asked_to_sign_in(client):
    assert client.get("/notifications/?before=7").url == "/login/?next=/notifications/%3Fbefore%3D7"
    assert client.get(reverse("bell:choices")).url == "/login/?next=/notifications/choices/"
    assert client.get(reverse("bell:api")).status_code == 401
    response = client.get(reverse("bell:state"))
    assert (response.status_code, response.content) == (
        401,
        b"You have been signed out. Sign in again.",
    )


@pytest.mark.parametrize("method", ["get", "head"])
def test_a_script_whose_session_has_ended_is_told_so_by_the_stream(client, method):
    ask = getattr(client, method)
    assert ask(reverse("bell:live") + "?topics=auth.user%3A21").status_code == 401


def test_the_news_comes_first_then_its_subject_then_what_it_means(inbox, alice):
    tell(alice, "a:1", title="Teapot", by="Bob")
    text = shown_text(row(inbox(), "a:1"))
    assert text.startswith("News · Teapot Bob has some.")
    link = element(row(inbox(), "a:1"), "a", data_bell_link=None)
    assert attribute(link, "href") == "/a:1/"


def test_a_subject_is_one_row_with_its_story_inside(inbox, alice):
    tell_all(alice, "a:1", "b:1", "a:1", "a:1")
    page = inbox()
    assert rows(page) == {"a:1": "new", "b:1": "new"}
    story = element(row(page, "a:1"), "details")
    assert shown_text(element(story, "summary")) == "2 earlier"
    assert len(list(elements(story, "li"))) == 2
    assert not list(elements(row(page, "b:1"), "details"))


def test_days_are_headings(inbox, alice):
    tell_all(alice, "a:1", "b:1", "c:1")
    bell_snapshot(alice)
    for subject, days in (("a:1", 40), ("b:1", 1)):
        thread = Thread.objects.get(subject=subject)
        thread.changed_at -= timedelta(days=days)
        thread.save()
    headings = [shown_text(heading) for heading in elements(inbox(), "h2")][:3]
    assert headings[:2] == ["Today", "Yesterday"]
    assert re.fullmatch(r"\w+\.? \d+, 20\d\d", headings[2])


def test_nobody_is_shown_what_is_another_users(inbox, alice, bob):
    tell(bob, "a:1", title="Bob's secret")
    tell(alice, "a:1", title="Teapot")
    page = inbox()
    assert rows(page) == {"a:1": "new"}
    assert "secret" not in shown_text(page)


def test_all_unread_and_archived(inbox, client, alice):
    tell_all(alice, "a:1", "b:1", "c:1")
    act(alice, "archive", "a:1")
    act(alice, "read", "b:1")
    assert rows(inbox()) == {"c:1": "new", "b:1": "read"}
    assert rows(inbox("?show=unread")) == {"c:1": "new"}
    assert rows(inbox("?show=archived")) == {"a:1": "read"}
    current = element(inbox("?show=unread"), "a", aria_current="page")
    assert shown_text(current) == "Unread"
    assert client.get("/notifications/?show=secret").status_code == 404


def test_search_finds_titles_what_happened_and_numbers(inbox, alice):
    tell(alice, "order:7", title="Blue teapot")
    tell(alice, "order:8", "cases.loud", title="Red teapot")
    assert list(rows(inbox("?q=TEAPOT"))) == ["order:8", "order:7"]
    assert list(rows(inbox("?q=teapot+blue"))) == ["order:7"]
    assert list(rows(inbox("?q=loud"))) == ["order:8"]
    assert list(rows(inbox("?q=%237"))) == ["order:7"]
    page = inbox("?q=kettle")
    assert rows(page) == {}
    assert "Nothing matches." in shown_text(page)
    assert attribute(element(page, "input", type="search"), "value") == "kettle"


def test_pages_go_back_to_the_first_and_repeat_nothing(inbox, alice):
    tell_all(alice, *(f"a:{number}" for number in range(PAGE + 3)))
    page = inbox()
    found = list(rows(page))
    tell(alice, "b:1")  # what comes meanwhile moves nothing from page to page
    [link] = elements(page, "a", rel="next")
    last = inbox(attribute(link, "href"))
    assert found + list(rows(last)) == [f"a:{number}" for number in range(PAGE + 2, -1, -1)]
    assert not list(elements(last, "a", rel="next"))
    assert "There is nothing older." in shown_text(inbox("?before=1"))


@pytest.mark.parametrize("before", ["yesterday", "1.5", str(10**30)])
def test_what_is_no_position_leads_nowhere(client, alice, before):
    client.force_login(alice)
    assert client.get(reverse("bell:inbox"), {"before": before}).status_code == 404


def test_it_says_when_there_is_nothing(inbox):
    assert "Nothing here. What happens will appear by itself." in shown_text(inbox())
    assert "Nothing is archived." in shown_text(inbox("?show=archived"))


def test_opening_the_inbox_hides_no_unread_count(inbox, alice):
    tell_all(alice, "a:1", "b:1")
    act(alice, "see")
    counts = element(inbox(), "p", **{"class": "bell-inbox-counts"})
    assert shown_text(counts) == "2 unread"
    assert bell_snapshot(alice).new_count == 0
    act(alice, "read")
    assert "You have read everything" in shown_text(inbox())


@pytest.mark.parametrize(("told", "text"), [(99, "99"), (100, "99+"), (101, "99+")])
def test_it_counts_to_99(alice, told, text):
    tell_all(alice, *(f"a:{number}" for number in range(told)))
    assert bell_snapshot(alice).unread_text == text


def test_without_a_script_one_is_read_and_unread_again(client, inbox, alice):
    inbox()
    tell_all(alice, "a:1", "b:1")
    assert press(client, "/notifications/?show=all", "read", "a:1") == "/notifications/?show=all"
    assert rows(inbox()) == {"b:1": "new", "a:1": "read"}
    press(client, "/notifications/", "unread", "a:1")
    assert rows(inbox()) == {"b:1": "new", "a:1": "new"}


def test_without_a_script_all_are_read(client, inbox, alice):
    inbox()
    tell_all(alice, "a:1", "b:1")
    press(client, "/notifications/", "read")
    assert rows(inbox()) == {"b:1": "read", "a:1": "read"}


def test_without_a_script_archiving_can_be_undone_on_the_page_that_answers(client, inbox, alice):
    inbox()
    tell_all(alice, "a:1", "b:1")
    answer = press(client, "/notifications/", "archive", "a:1")
    page = element(page_of(client.get(answer)), "main")
    assert rows(page) == {"b:1": "new"}
    assert "Archived: A:1" in shown_text(page)
    press(client, answer, "unarchive", "a:1")
    assert rows(inbox()) == {"b:1": "new", "a:1": "new"}


def test_nobody_undoes_what_another_has_archived(inbox, alice, bob):
    tell(bob, "a:1", title="Bob's secret")
    act(bob, "archive", "a:1")
    page = inbox(f"?archived={Thread.objects.get(user=bob).pk}")
    assert "secret" not in shown_text(page)


def test_a_script_needs_no_second_page(client, alice):
    tell(alice, "a:1")
    client.force_login(alice)
    fields = {"change": "read a:1", "through": 1}
    response = client.post(reverse("bell:change"), fields, headers=JSON)
    number_waiting()
    assert response.status_code == 204
    assert states(bell_snapshot(alice)) == {"a:1": "read"}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"change": "read"},
        {"change": "read", "through": ""},
        {"change": "read", "through": "-1"},
        {"change": "read", "through": "1.5"},
        {"change": "read", "through": "9" * 5000},
        {"change": "delete a:1", "through": "1"},
        {"change": "choose", "through": "1"},
        {"change": "unread", "through": "1"},
        {"change": "unarchive", "through": "1"},
        {"change": f"read {'a' * 201}", "through": "1"},
    ],
)
def test_what_makes_no_sense_is_refused_and_says_why(client, alice, fields):
    client.force_login(alice)
    response = client.post(reverse("bell:change"), fields, headers=JSON)
    assert response.status_code == 400
    assert re.match(r"(action|subject|through): .", response.content.decode())
    assert not OutboxEvent.objects.exists()


@pytest.mark.parametrize("action", ["unread a:9", "unarchive a:9", "read a:9", "archive a:9"])
def test_what_is_done_to_a_subject_that_nobody_told_of_changes_nothing(client, alice, action):
    client.force_login(alice)
    fields = {"change": action, "through": 1}
    assert client.post(reverse("bell:change"), fields, headers=JSON).status_code == 204
    number_waiting()
    assert states(bell_snapshot(alice)) == {}


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""]
)
def test_a_form_leads_back_to_pages_of_this_site_only(client, alice, elsewhere):
    client.force_login(alice)
    fields = {"change": "see", "through": 0, "next": elsewhere}
    assert client.post(reverse("bell:change"), fields).url == "/notifications/"
    fields["next"] = "/admin/"
    assert client.post(reverse("bell:change"), fields).url == "/admin/"


def test_the_buttons_lead_strangers_to_the_page_not_to_a_get_of_their_own_address(client):
    fields = {"change": "read", "through": 1}
    response = client.post(reverse("bell:change"), fields)
    assert response.url == "/login/?next=/notifications/"
    assert client.post(reverse("bell:change"), fields, headers=JSON).status_code == 401


def test_the_buttons_take_only_posts_of_their_own_forms(alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.get(reverse("bell:change")).status_code == 405
    fields = {"change": "read", "through": 0}
    assert client.post(reverse("bell:change"), fields).status_code == 403
    assert client.post(reverse("bell:choices"), {}).status_code == 403


def test_who_wants_to_be_told_of_what(client, inbox, alice):
    inbox()
    page = element(page_of(client.get(reverse("bell:choices"))), "main")

    def checked(page: Element) -> set[str]:
        boxes = elements(page, "input", type="checkbox", checked=None)
        return {attribute(box, "value") for box in boxes} & {"cases.loud", "cases.quiet"}

    assert checked(page) == {"cases.loud"}
    assert "Noise" in shown_text(page)
    client.post(reverse("bell:choices"), {"kind": ["cases.quiet"]})
    number_waiting()
    page = element(page_of(client.get(reverse("bell:choices"))), "main")
    assert checked(page) == {"cases.quiet"}
    tell(alice, "a:1", "cases.loud")
    tell(alice, "b:1", "cases.quiet")
    assert rows(inbox()) == {"b:1": "new"}


def test_only_who_can_ever_be_told_of_a_kind_is_asked_whether_they_want_to(client, alice, shop):
    def offered(user: Any) -> bool:
        client.force_login(user)
        page = element(page_of(client.get(reverse("bell:choices"))), "main")
        return any(elements(page, "input", value="cases.staff"))

    assert (offered(alice), offered(shop)) == (False, True)
    client.post(reverse("bell:choices"), {"kind": ["cases.quiet"]})
    client.force_login(alice)
    client.post(reverse("bell:choices"), {"kind": ["cases.quiet"]})
    number_waiting()
    assert not bell_snapshot(shop).bell.wants(kind_named("cases.staff"))
    assert bell_snapshot(alice).bell.wants(kind_named("cases.staff"))  # wasn't asked


def test_hostile_text_is_text(inbox, alice):
    tell(alice, "a:1", title='"><script>alert(1)</script>', by="<b>Bob</b>")
    assert "script>alert(1)</script> <b>Bob</b> has some." in shown_text(inbox())


def test_browsers_keep_no_copy(client, alice):
    client.force_login(alice)
    for name in PAGES:
        assert "no-store" in client.get(reverse(name)).headers["Cache-Control"]


def test_only_a_browser_whose_script_guards_them_may_keep_pages_for_back(client, alice):
    client.cookies["realtime_kept_pages"] = "1"
    assert "no-store" in client.get(reverse("bell:inbox")).headers["Cache-Control"]
    client.force_login(alice)
    response = client.get(reverse("bell:inbox"))
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert "Cookie" in response.headers["Vary"]
    # What it says would be old when it comes back.
    for name in ("bell:state", "bell:choices"):
        assert "no-store" in client.get(reverse(name)).headers["Cache-Control"]


def test_as_json_it_is_what_the_page_shows(client, alice):
    tell(alice, "a:1", by="Bob")
    tell(alice, "a:1", "cases.loud", title="Teapot", url="/teapot/")
    tell(alice, "b:1")
    act(alice, "read", "b:1")
    client.force_login(alice)
    answer = client.get(reverse("bell:api")).json()
    assert answer["cursor"].partition("-")[0] == "4"
    assert (answer["unread"], answer["new"], answer["older_before"]) == (1, 1, None)
    assert [thread["subject"] for thread in answer["threads"]] == ["b:1", "a:1"]
    thread = answer["threads"][1]
    assert (thread["title"], thread["url"], thread["state"]) == ("Teapot", "/teapot/", "new")
    assert (thread["label"], thread["position"], thread["archived"]) == ("Loud", 2, False)
    [earlier] = thread["earlier"]
    assert (earlier["sentence"], earlier["context"]) == ("Bob has some.", {"by": "Bob"})
    assert client.get(reverse("bell:api"), {"show": "x"}).status_code == 400


def test_what_is_published_while_it_renders_is_left_to_the_stream(alice, monkeypatch):
    tell(alice, "a:1")
    fold = snapshot.bring_up_to_date

    def tell_another_once_the_cursor_is_read(user, position):
        tell(alice, "b:1")
        return fold(user, position)

    monkeypatch.setattr(snapshot, "bring_up_to_date", tell_another_once_the_cursor_is_read)
    found = bell_snapshot(alice)
    assert found.cursor.position == 1
    assert states(found) == {"a:1": "new"}


def test_a_bell_that_cannot_be_rendered_is_a_failure_in_the_sites_own_dress(
    client, alice, monkeypatch
):
    client.force_login(alice)
    client.raise_request_exception = False
    monkeypatch.setattr(snapshot, "bell_snapshot", None)
    response = client.get(reverse("bell:inbox"))
    assert response.status_code == 500
    assert "The fault is ours, not yours." in response.content.decode()
    assert not Bell.objects.exists()


def test_made_anew_it_is_what_a_fresh_page_holds(client, alice):
    tell_all(alice, "a:1", "b:1")
    client.force_login(alice)
    root = r'<div class="bell" data-bell.*<template data-announcement>'
    token = r'(name="csrfmiddlewaretoken" value=")\w+'
    made_anew, fresh = (
        re.sub(token, r"\1", re.search(root, client.get(url).content.decode(), re.DOTALL)[0])
        for url in (reverse("bell:state"), "/notifications/")
    )
    assert made_anew == fresh
    assert parse_html(made_anew + "</template></div>")
