"""The staff's view of the bells."""

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.html import Element
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from realtime.bell.changes import choose
from realtime.bell.snapshot import bell_snapshot
from tests.orders.pages import element, elements, page_of, shown_text

from .samples import number_waiting

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client, django_user_model):
    """The client belongs to somebody who may look at bells, and at nothing else."""
    user = django_user_model.objects.create_user("zoe", email="zoe@shop.test", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_bell"))
    client.force_login(user)
    return user


def wish(user, **choices: bool) -> None:
    choose(user, {f"cases.{name}": is_wanted for name, is_wanted in choices.items()})
    number_waiting()
    bell_snapshot(user)


def audience(client, **query: str) -> Element:
    page = page_of(client.get(reverse("admin:bell_bell_audience"), query))
    return element(page, id="content-main")


def rows(page: Element) -> list[str]:
    return [shown_text(row) for row in elements(page, "tr")][1:]


def test_who_has_chosen_is_told_by_their_choice_and_who_has_not_by_the_default(
    client, staff, alice, bob
):
    wish(alice, news=False, quiet=True)
    assert rows(audience(client, kind="cases.news")) == ["alice no", "bob yes", "zoe yes"]
    assert rows(audience(client, kind="cases.quiet")) == ["alice yes", "bob no", "zoe no"]
    page = shown_text(audience(client, kind="cases.quiet"))
    assert "1 would be told, 2 would not" in page
    assert "Who has chosen nothing is not told" in page


def test_they_are_found_by_part_of_their_name_or_address_and_by_whether_they_are_told(
    client, staff, alice, bob
):
    wish(alice, news=False)
    assert rows(audience(client, kind="cases.news", q="LIC")) == ["alice no"]
    assert rows(audience(client, kind="cases.news", q="@shop.test")) == ["zoe yes"]
    assert rows(audience(client, kind="cases.news", q="nobody")) == ["Nobody matches."]
    assert rows(audience(client, kind="cases.news", told="no")) == ["alice no"]
    assert rows(audience(client, kind="cases.news", told="yes")) == ["bob yes", "zoe yes"]


def test_without_a_kind_it_asks_for_one_and_an_unknown_one_is_said_to_be_none(client, staff):
    assert list(elements(audience(client), "table")) == []
    page = audience(client, kind="cases.unheard_of")
    assert list(elements(page, "table")) == []
    assert "cases.unheard_of" in shown_text(page)


def test_it_takes_the_permission_to_look_at_bells(client, staff):
    staff.user_permissions.clear()
    assert client.get(reverse("admin:bell_bell_audience")).status_code == 403
    client.logout()
    assert client.get(reverse("admin:bell_bell_audience")).status_code == 302


def test_the_list_of_bells_leads_to_it(client, staff):
    page = page_of(client.get(reverse("admin:bell_bell_changelist")))
    links = [shown_text(link) for link in elements(page, href=reverse("admin:bell_bell_audience"))]
    assert links == ["Who would be told"]


def test_many_users_are_pages_and_cost_no_more_queries(client, staff, alice, django_user_model):
    wish(alice, news=False)
    with CaptureQueriesContext(connection) as for_two:
        assert rows(audience(client, kind="cases.news")) == ["alice no", "zoe yes"]
    django_user_model.objects.bulk_create(
        django_user_model(username=f"user{number:03}") for number in range(120)
    )
    with CaptureQueriesContext(connection) as for_many:
        first = audience(client, kind="cases.news")
    assert len(rows(first)) == 50
    assert len(for_many) == len(for_two)
    last = audience(client, kind="cases.news", page="3")
    assert rows(last)[-1] == "zoe yes"
    assert "121 would be told, 1 would not" in shown_text(last)
