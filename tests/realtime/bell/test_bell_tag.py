"""`{% bell %}`: what it puts into any page, of a site without a shop too."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.staticfiles import finders
from django.template import Context, Template
from django.test import override_settings
from django.test.html import parse_html
from django.urls import reverse

import realtime
from realtime.bell.kinds import ICONS, TONES
from tests.orders.pages import element, shown_text

from .samples import act, tell, tell_all

pytestmark = pytest.mark.django_db

PAGE = Template("{% load bell %}<body>{% bell %}</body>")


@pytest.fixture
def page_for(rf):
    """Renders a page of another site, with nothing in its context but the request."""

    def page_for(user, path: str = "/somewhere/?page=2") -> str:
        request = rf.get(path)
        request.user = user
        return PAGE.render(Context({"request": request}))

    return page_for


def settings_of(html: str) -> dict[str, str]:
    """The attributes that its script reads."""
    root = element(parse_html(html), data_bell=None)
    return {
        name.removeprefix("data-"): value
        for name, value in root.attributes
        if name.startswith("data-") and value
    }


def test_it_shows_nothing_to_strangers_nor_where_nobody_knows_who_asks(page_for):
    assert page_for(AnonymousUser()).split() == ["<body>", "</body>"]
    assert PAGE.render(Context({})).split() == ["<body>", "</body>"]


def test_it_gives_its_script_the_state_from_which_the_stream_goes_on(page_for, alice):
    tell_all(alice, "a:1", "b:1", "c:1")
    act(alice, "see", through=2)
    act(alice, "read", "a:1")
    found = settings_of(page_for(alice))
    address, cursor = found.pop("live-url"), found.pop("live-cursor")
    assert address.startswith("/notifications/live?")
    assert f"auth.user%3A{alice.pk}" in address
    assert cursor.partition("-")[0] == "5"
    assert found == {
        "live-heartbeat": "15",
        "state-url": "/notifications/bell/",
        "change-url": "/notifications/change/",
        "inbox-url": "/notifications/",
        "user": f"auth.user:{alice.pk}",
        "unread": '[["c:1", 3], ["b:1", 2]]',
        "seen-position": "2",
        "most-counted": "99",
        "muted": '["cases.quiet"]',
    }


@override_settings(REALTIME={**settings.REALTIME, "HEARTBEAT_SECONDS": 0.5})
def test_it_tells_its_script_how_often_the_stream_says_that_it_lives(page_for, alice):
    assert settings_of(page_for(alice))["live-heartbeat"] == "0.5"


def test_it_brings_its_own_stylesheet_and_script_and_nothing_inline(page_for, alice):
    tell(alice, "a:1")
    html = page_for(alice)
    links = re.findall(r'<link rel="(\w+)" href="([^"]+)">', html)
    assert links[0] == ("stylesheet", "/static/realtime/bell/bell.css")
    # All that the script imports, named at once: no round trip for each level of imports.
    assert ("modulepreload", "/static/realtime/live_stream.js") in links
    assert {rel for rel, _href in links[1:]} == {"modulepreload"}
    assert re.findall(r"<script[^>]*>[^<]*", html) == [
        '<script type="module" src="/static/realtime/bell/bell.js">'
    ]
    assert "<style" not in html
    assert not re.search(r"<[^>]*\s(style|on\w+)=", html)


def test_its_form_leads_back_to_the_page_it_stands_in(page_for, alice):
    [back] = re.findall(r'name="next" value="([^"]*)"', page_for(alice))
    assert back == "/somewhere/?page=2"
    [back] = re.findall(r'name="next" value="([^"]*)"', page_for(alice, reverse("bell:state")))
    assert back == "/notifications/"


@pytest.mark.parametrize(
    ("unread", "name"),
    [
        (0, "Notifications"),
        (1, "Notifications , 1 unread"),
        (2, "Notifications , 2 unread"),
        (100, "Notifications , 99+ unread"),
    ],
)
def test_the_name_of_its_button_tells_how_many_are_unread(page_for, alice, unread, name):
    tell_all(alice, *(f"a:{number}" for number in range(unread)))
    button = element(parse_html(page_for(alice)), "button", data_bell_button=None)
    assert shown_text(button) == name


def test_it_has_colours_for_every_tone_and_every_icon_that_its_templates_name():
    colours = Path(finders.find("realtime/bell/bell.css")).read_text(encoding="utf-8")
    for tone in TONES:
        assert f".bell-tone-{tone} {{" in colours
        assert f"--bell-{tone}-back: light-dark(" in colours
    icons = Path(finders.find(ICONS)).read_text(encoding="utf-8")
    for name in ("bell", "broken", "news", "archive", "restore"):
        assert f'id="{name}"' in icons


def test_a_page_says_what_it_is_about(alice):
    page = Template("{% load bell %}<main {% bell_subject user %}>")
    assert page.render(Context({"user": alice})) == (
        f'<main data-bell-subject="{realtime.topic_of(alice)}">'
    )
