"""In Firefox and WebKit: the bell, one connection for all tabs, who takes it over, and “Back”.

The rest of what a browser can do to a page is tested in Chromium.
"""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from ..servers import ServerProcess
from ..shared_servers import SharedServer, shared_server
from ..waiting import wait_until
from .bells import ELSEWHERE, place
from .other_browsers import Browser, Tab, missing, running_browser

TOKEN = "of the metrics"
# A browser on a loaded machine, and the wait before it connects anew.
SECONDS = 30.0
TABS = 3

STATE = "document.querySelector('[data-bell-connection]')?.dataset.state"
BADGE = "document.querySelector('[data-bell-badge]:not([hidden])')?.textContent ?? ''"
PLACE = "location.pathname"
SHOWN_ROWS = (
    "[...document.querySelectorAll('main [data-bell-title]')].filter(e => e.checkVisibility({"
    "visibilityProperty: true})).map(e => e.textContent)"
)
NEWS = (
    "[...document.querySelectorAll('[data-bell-panel] [data-bell-title]')].map(e => e.textContent)"
)


@pytest.fixture(scope="module")
def shared_site(processes, django_db_setup, django_db_blocker) -> Iterator[SharedServer]:
    yield from shared_server(django_db_blocker, "runserver", REALTIME_METRICS_TOKEN=TOKEN)


@pytest.fixture(scope="module", params=["firefox", "webkit"])
def other_browser(request, processes) -> Iterator[Browser]:
    """One of each for all tests: what starting it costs, most of them don't."""
    if install := missing(request.param):
        pytest.skip(f"no {request.param}: {install}")
    with running_browser(request.param) as browser:
        yield browser


@pytest.fixture
def browser(other_browser) -> Iterator[Browser]:
    yield other_browser
    assert other_browser.errors == []
    other_browser.forget()


@pytest.fixture
def visit(browser, site, alice) -> Callable[[], Tab]:
    """Opens a tab with a page that has Alice's bell and no list."""
    client = Client()
    client.force_login(alice)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    tab = browser.open_tab()
    tab.goto(f"{site.url}/login/")
    tab.evaluate(f"document.cookie = '{settings.SESSION_COOKIE_NAME}={session}; path=/'")

    def visit() -> Tab:
        tab = browser.open_tab()
        tab.goto(f"{site.url}{ELSEWHERE}")
        expect(tab, STATE, "live")
        return tab

    return visit


def expect(tab: Tab, expression: str, expected: Any) -> None:
    wait_until(
        lambda: tab.evaluate(expression) == expected,
        SECONDS,
        lambda: f"{tab.evaluate(expression)!r} is not {expected!r}",
    )


def open_streams(site: ServerProcess) -> int:
    """How many streams the server holds open, as it says itself."""
    text = httpx.get(f"{site.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text
    return sum(
        int(sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "realtime_streams_open"
    )


def test_an_order_rings_the_bell(visit, alice):
    tab = visit()
    assert tab.evaluate(BADGE) == ""
    place(alice, "Teapot")
    expect(tab, BADGE, "1")
    expect(tab, NEWS, ["2 × Teapot"])
    assert tab.evaluate("document.title").startswith("(1) ")


def test_all_tabs_share_one_connection_and_each_is_told_everything(visit, site, alice):
    before = open_streams(site)
    tabs = [visit() for _ in range(TABS)]
    for product in ("Teapot", "Espresso cups"):
        place(alice, product)
    for tab in tabs:
        expect(tab, BADGE, "2")
    assert open_streams(site) == before + 1


def test_when_the_tab_that_holds_the_connection_closes_another_goes_on(visit, site, alice):
    leader, *others = (visit() for _ in range(TABS))
    place(alice, "Before")
    for tab in others:
        expect(tab, BADGE, "1")
    leader.close()
    place(alice, "Meanwhile")
    for tab in others:
        expect(tab, BADGE, "2")
        expect(tab, STATE, "live")


def leave_the_inbox(tab: Tab, site: ServerProcess) -> None:
    """Look at it and go on; whether the browser keeps such a page is its own affair."""
    tab.goto(f"{site.url}/notifications/")
    expect(tab, STATE, "live")
    expect(tab, SHOWN_ROWS, ["2 × Teapot"])
    tab.goto(f"{site.url}{ELSEWHERE}")
    expect(tab, STATE, "live")


def test_back_leads_to_the_page_with_what_has_come_since(visit, site, alice):
    place(alice, "Teapot")
    tab = visit()
    leave_the_inbox(tab, site)
    place(alice, "Milk jug")
    tab.go_back()
    expect(tab, SHOWN_ROWS, ["2 × Milk jug", "2 × Teapot"])
    expect(tab, STATE, "live")


def test_back_shows_nothing_to_whoever_is_no_longer_signed_in(visit, site, browser, alice):
    place(alice, "Teapot")
    tab = visit()
    leave_the_inbox(tab, site)
    Session.objects.all().delete()
    tab.go_back()
    expect(tab, PLACE, "/login/")
    assert tab.evaluate(SHOWN_ROWS) == []
    browser.errors.clear()  # that the stream is refused
