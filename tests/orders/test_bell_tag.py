"""`{% bell %}`: what it puts into any page."""

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

from orders.bell import mark_all_read, mark_read
from orders.notifications import WORDS
from tests.clients import event_id

from .pages import element, elements, page_of, shown_text
from .samples import place, place_many

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
    place_many(alice, 5)
    mark_all_read(alice, 2)
    mark_read(alice, 4)
    assert settings_of(page_for(alice)) == {
        "live-url": f"/orders/realtime?topics=auth.user%3A{alice.pk}",
        "live-heartbeat": "15",
        "state-url": "/notifications/bell/",
        "seen-url": "/notifications/seen/",
        "read-url": "/notifications/read/",
        "live-cursor": event_id(5),
        "cursor": "5",
        "new-positions": "3 4 5",
        "seen-position": "2",
        "read-position": "2",
        "read-positions": "4",
        "kept": "20",
        "most-counted": "99",
    }


@override_settings(REALTIME={**settings.REALTIME, "HEARTBEAT_SECONDS": 0.5})
def test_it_tells_its_script_how_often_the_stream_says_that_it_lives(page_for, alice):
    assert settings_of(page_for(alice))["live-heartbeat"] == "0.5"


def test_it_brings_its_own_stylesheet_and_script_and_nothing_inline(page_for, alice):
    place(alice)
    html = page_for(alice)
    assert re.findall(r"<link [^>]*>", html) == [
        '<link rel="stylesheet" href="/static/orders/bell.css">'
    ]
    assert re.findall(r"<script[^>]*>[^<]*", html) == [
        '<script type="module" src="/static/orders/bell.js">'
    ]
    assert "<style" not in html
    assert not re.search(r"<[^>]*\s(style|on\w+)=", html)


def test_its_forms_lead_back_to_the_page_it_stands_in(page_for, alice):
    assert set(re.findall(r'name="next" value="([^"]*)"', page_for(alice))) == {
        "/somewhere/?page=2"
    }
    made_anew = page_for(alice, reverse("bell_state"))
    assert set(re.findall(r'name="next" value="([^"]*)"', made_anew)) == {"/"}


def test_it_has_a_form_for_every_status_and_one_for_those_yet_unknown(page_for, alice):
    statuses = re.findall(r'<template data-status="(\w*)">', page_for(alice))
    assert statuses == [*WORDS, ""]


def test_it_has_an_icon_and_colours_for_every_look():
    icons = Path(finders.find("orders/icons.svg")).read_text(encoding="utf-8")
    colours = Path(finders.find("orders/bell.css")).read_text(encoding="utf-8")
    for look in (*WORDS, "changed"):
        assert f'id="{look}"' in icons
        assert f".bell-{look} {{" in colours


@pytest.mark.parametrize(
    ("new", "name"),
    [
        (0, "Notifications"),
        (1, "Notifications , 1 new"),
        (2, "Notifications , 2 new"),
        (100, "Notifications , 99+ new"),
    ],
)
def test_the_name_of_its_button_tells_how_many_are_new(page_for, alice, new, name):
    place_many(alice, new)
    button = element(parse_html(page_for(alice)), "button", data_bell_button=None)
    assert shown_text(button) == name


def test_it_is_in_the_header_of_every_page_of_the_site_once(client, shop):
    order = place(shop)
    client.force_login(shop)
    for url in ("/", "/notifications/", f"/orders/{order.pk}/", "/no-such-page", "/admin/"):
        page = page_of(client.get(url))
        (header,) = (h for h in elements(page, "header") if list(elements(h, data_bell=None)))
        assert len(list(elements(page, data_bell=None))) == 1
        assert element(header, "button", data_bell_button=None)


def test_the_admin_shows_it_to_nobody_who_has_not_signed_in(client):
    assert "data-bell" not in client.get("/admin/login/").content.decode()


def test_made_anew_it_is_what_a_fresh_page_holds(client, alice):
    place_many(alice, 3)
    client.force_login(alice)
    root = r'<div class="bell" data-bell.*<template data-announcement>'
    token = r'(name="csrfmiddlewaretoken" value=")\w+'
    made_anew, fresh = (
        re.sub(token, r"\1", re.search(root, client.get(url).content.decode(), re.DOTALL)[0])
        for url in (reverse("bell_state"), "/")
    )
    assert made_anew == fresh
