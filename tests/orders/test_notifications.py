"""What happened, in words; and the pages that go back through all of it."""

import json
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.html import Element
from django.urls import reverse

from orders import history, notifications
from orders.bell import mark_read, mark_seen
from orders.events import STREAM
from orders.notifications import WORDS
from orders.status import Status
from realtime.models import Event, Stream

from .pages import attribute, element, elements, page_of, shown_text
from .samples import an_order, move_on, number_waiting, place, place_many

pytestmark = pytest.mark.django_db


@pytest.fixture
def alices_history(client, alice):
    """Loads a page of it as Alice; returns its content, without the header and its bell."""
    client.force_login(alice)

    def load(address: str = "") -> Element:
        response = client.get(reverse("notifications") + address)
        assert response.status_code == 200
        return element(page_of(response), "main")

    return load


def shown_states(page: Element) -> dict[int, str]:
    """Positions and states of the notifications, in their order."""
    items = elements(page, "li", data_position=None)
    return {int(attribute(li, "data-position")): attribute(li, "data-state") for li in items}


def positions(page: Element) -> list[int]:
    return list(shown_states(page))


def older(page: Element) -> str | None:
    links = [attribute(link, "href") for link in elements(page, "a", rel="next")]
    return links[0] if links else None


def times(page: Element) -> list[datetime]:
    return [
        datetime.fromisoformat(attribute(time, "datetime"))
        for time in elements(page, "time", data_field="changed_at")
    ]


def test_it_asks_strangers_to_sign_in(client):
    assert client.get("/notifications/?before=7").url == "/login/?next=/notifications/%3Fbefore%3D7"


def test_it_tells_what_happened_in_words(alices_history, alice):
    order = place(alice, "Espresso cups", 6)
    move_on(order, "paid", "shipped")
    text = shown_text(element(alices_history(), "li", data_position="3"))
    assert text.startswith("6 × Espresso cups It has left us and is on its way to you.")
    assert f"Order # {order.pk} Total 27.00" in text
    assert " Shipped " in text


def test_it_tells_when_it_happened_not_when_the_order_was_placed(alices_history, alice):
    order = an_order(alice, placed_at=datetime(2026, 3, 12, 7, 55, tzinfo=UTC))
    order.save()
    move_on(order, "paid")
    page = alices_history()
    assert times(page) == [order.status_changed_at, order.placed_at]
    assert f"{order.status_changed_at:%Y}" in shown_text(element(page, "li", data_position="2"))


def test_events_from_before_that_was_told_have_the_time_of_their_transaction(alices_history, alice):
    place(alice)
    event = Event.objects.get()
    data = json.loads(event.data)
    del data["changed_at"]
    Event.objects.filter(stream=STREAM).update(data=json.dumps(data))
    assert times(alices_history()) == [event.created_at]


def test_it_has_words_for_every_status():
    assert set(WORDS) == set(Status)


def test_it_has_words_for_a_status_it_does_not_know(alices_history, alice, monkeypatch):
    place(alice)
    monkeypatch.delitem(notifications.WORDS, Status.PLACED)
    assert "There is news about this order." in shown_text(alices_history())


def test_it_shows_what_is_new_seen_and_read(alices_history, alice):
    place_many(alice, 3)
    mark_seen(alice, 2)
    mark_read(alice, 1)
    assert shown_states(alices_history()) == {3: "new", 2: "seen", 1: "read"}


def test_its_pages_go_back_to_the_first_and_repeat_nothing(alices_history, alice, bob):
    for _ in range(4):
        place_many(alice, 20)
        place_many(bob, 20)
    mark_seen(alice, 200)
    number_waiting()
    html = alices_history()
    found = positions(html)
    while address := older(html):
        place(alice)  # what comes meanwhile moves nothing from page to page
        html = alices_history(address)
        found += positions(html)
    assert found == [p for p in range(160, 0, -1) if (p - 1) // 20 % 2 == 0]


def test_the_last_page_leads_no_further(alices_history, alice):
    place_many(alice, history.PAGE)
    assert older(alices_history()) is None
    place(alice)
    assert older(alices_history()) == "?before=2"
    last = alices_history("?before=2")
    assert positions(last) == [1]
    assert older(last) is None
    assert list(elements(last, "a", href=reverse("notifications")))


def test_it_says_when_there_is_nothing(alices_history):
    assert "Nothing here yet." in shown_text(alices_history())
    assert "There is nothing older." in shown_text(alices_history("?before=1"))


def test_it_says_where_the_log_has_been_pruned(alices_history, alice):
    place_many(alice, history.PAGE + 2)
    gone = "What is older than this is no longer kept."
    assert gone not in shown_text(alices_history("?before=3"))
    Event.objects.filter(position=1).delete()
    Stream.objects.update(pruned_through=1)
    assert gone in shown_text(alices_history("?before=3"))
    assert gone not in shown_text(alices_history())


@pytest.mark.parametrize("before", ["", "-1", "yesterday", "1.5"])
def test_what_is_no_position_leads_nowhere(client, alice, before):
    client.force_login(alice)
    assert client.get(reverse("notifications"), {"before": before}).status_code == 404


def test_a_position_beyond_all_others_leads_to_the_newest(alices_history, alice):
    place(alice)
    assert positions(alices_history(f"?before={10**30}")) == [1]


def test_it_asks_the_database_as_little_far_back_as_at_the_beginning(
    client, alice, django_assert_num_queries
):
    client.force_login(alice)
    place_many(alice, 100)
    for address in ("", "?before=90", "?before=2"):
        with django_assert_num_queries(8):  # session, user, the bell's four, the page, pruned?
            client.get(reverse("notifications") + address)


def test_a_page_is_read_by_the_index_however_far_back_it_lies(alice, bob):
    place_many(alice, 300)
    place_many(bob, 3000)
    page = notifications.order_events(alice).filter(position__lt=3000).order_by("-position")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE realtime_event")
    plan = page[: history.PAGE + 1].explain(analyze=True)
    assert "Index Scan Backward using realtime_event_topic" in plan, plan
    assert "Sort" not in plan
    assert "Rows Removed by Filter" not in plan
