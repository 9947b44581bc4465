"""The bell in somebody else's site, by the words of docs/bell.md (P17)."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.template import Context, Template
from django.test import override_settings

from realtime.bell.kinds import unregister_kind
from realtime.bell.models import Thread
from realtime.bell.snapshot import bell_snapshot

from .samples import number_waiting, tell

pytestmark = pytest.mark.django_db

DOCS = Path(__file__).parents[3] / "docs" / "bell.md"
# Without the templates of the shop: those that the bell brings along.
OWN_TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": []}]


@pytest.fixture
def elsewhere(client, alice):
    with override_settings(
        ROOT_URLCONF="tests.realtime.bell.foreign_urls",
        TEMPLATES=OWN_TEMPLATES,
        LOGIN_URL="/accounts/login/",  # Django's default
    ):
        client.force_login(alice)
        yield client


def test_it_stands_in_a_page_of_a_site_without_a_shop(elsewhere, alice):
    tell(alice, "a:1")
    html = elsewhere.get("/").content.decode()
    assert 'data-change-url="/news/change/"' in html
    assert "data-bell-row" in html


@pytest.mark.parametrize("address", ["/news/", "/news/?show=archived", "/news/choices/"])
def test_its_pages_have_a_frame_of_their_own(elsewhere, alice, address):
    tell(alice, "a:1")
    response = elsewhere.get(address)
    assert response.status_code == 200
    html = response.content.decode()
    assert '<html lang="en" dir="ltr">' in html
    assert "orders/" not in html


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOCS.read_text(), re.DOTALL | re.MULTILINE)


def test_what_the_docs_say_can_be_done(alice, bob):
    *_, kinds, telling, forgetting, _keeping = blocks("python")
    document = Group.objects.create(name="Budget")
    page = {}
    try:
        exec(kinds, {})
        exec(telling, page)
        page["tell_of_sharing"](document, [alice], bob)
        number_waiting()
        [row] = bell_snapshot(alice).rows
        assert (row.newest.label, row.thread.title) == ("Shared", "Budget")
        assert row.newest.sentence == "bob shared it with you."
        exec(forgetting, page)
        page["delete_document"](document, [alice])
        number_waiting()
        assert bell_snapshot(alice).rows == []
    finally:
        unregister_kind("documents.shared")
    other = Group.objects.create(name="Minutes")
    for html in blocks("html"):
        assert Template(html).render(Context({"document": other}))


def test_the_staff_sees_what_was_told_and_who_would_be_told_of_what(admin_client, alice):
    tell(alice, "a:1", title="Teapot", by="Bob")
    bell_snapshot(alice)
    listed = admin_client.get("/admin/bell/thread/?kind=cases.news").content.decode()
    assert "Teapot" in listed
    thread = Thread.objects.get()
    page = admin_client.get(f"/admin/bell/thread/{thread.pk}/change/").content.decode()
    assert "Bob" in page
    bells = admin_client.get("/admin/bell/bell/").content.decode()
    told, not_told = re.findall(r'field-(?:not_)?told_of">([^<]*)<', bells)[-2:]
    assert "News" in told
    assert "Quiet" in not_told
    assert admin_client.post(f"/admin/bell/thread/{thread.pk}/delete/").status_code == 403
