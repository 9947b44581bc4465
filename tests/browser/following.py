"""Tabs that follow a stream, in one browser, and the connections they hold for it."""

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from django.conf import settings
from django.test import Client
from playwright.sync_api import BrowserContext, CDPSession, Page, Request, expect

from realtime import topic_of

from ..clients import STREAM

# By the settings of hurried.py.
PAGE = "/static/follower.html"
# For what includes the wait before a browser reconnects.
RECONNECTED_MS = 20_000


class Tab:
    """A page that follows the stream.

    streams: its requests that are open now, for a stream that goes on.
    questions: how often it has asked for one that ends when all has been said.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.streams: list[Request] = []
        self.questions = 0
        page.on("request", self._began)
        page.on("requestfinished", self._ended)
        page.on("requestfailed", self._ended)
        page.on("close", lambda _: self.streams.clear())
        page.on("crash", lambda _: self.streams.clear())

    def expect_state(self, state: str) -> None:
        expect(self.page.locator("#state")).to_have_text(state, timeout=RECONNECTED_MS)

    def expect_told(self, data: Iterable[Any]) -> None:
        """Exactly these, in this order."""
        told = self.page.locator("#told li")
        expect(told).to_have_text([str(one) for one in data], timeout=RECONNECTED_MS)

    def expect_resets(self, *resets: str) -> None:
        expect(self.page.locator("#resets li")).to_have_text(resets, timeout=RECONNECTED_MS)

    def developer_tools(self) -> CDPSession:
        return self.page.context.new_cdp_session(self.page)

    def _began(self, request: Request) -> None:
        if urlsplit(request.url).path != STREAM or request.method == "HEAD":
            return
        if is_question(request):
            self.questions += 1
        else:
            self.streams.append(request)

    def _ended(self, request: Request) -> None:
        if request in self.streams:
            self.streams.remove(request)


class Following:
    """A browser session, and its tabs that follow the stream.

    options: of every tab's LiveStream.
    """

    def __init__(self, context: BrowserContext, url: str, **options: Any) -> None:
        self.context = context
        self.url = url
        self.tabs: list[Tab] = []
        self.errors: list[str] = []
        self._options = options
        self._client = Client()
        context.on("weberror", lambda error: self.errors.append(str(error.error)))

    @property
    def streams(self) -> int:
        """How many streams the browser holds open."""
        return sum(len(tab.streams) for tab in self.tabs)

    def sign_in(self, user: Any) -> None:
        """Whoever was signed in until now is not any longer."""
        self.sign_out()
        self._client.force_login(user)
        self.take_session(self._client.cookies[settings.SESSION_COOKIE_NAME].value)

    def take_session(self, key: str) -> None:
        cookie = {"name": settings.SESSION_COOKIE_NAME, "value": key, "url": self.url}
        self.context.add_cookies([cookie])

    def sign_out(self) -> None:
        self._client.logout()
        self.context.clear_cookies()

    def open_tab(self, user: Any, *, cursor: int | str = 0, **options: Any) -> Tab:
        """A tab with a page that was made for this user."""
        options = {
            "url": f"{STREAM}?topics={topic_of(user)}",
            "cursor": str(cursor),
            "types": ["orders"],
            "heartbeatSeconds": 1,
            "openingSeconds": 2,
            **self._options,
            **options,
        }
        tab = Tab(self.context.new_page())
        self.tabs.append(tab)
        tab.page.goto(f"{self.url}{PAGE}?{urlencode({'options': json.dumps(options)})}")
        return tab


def is_question(request: Request) -> bool:
    return parse_qs(urlsplit(request.url).query).get("follow") == ["no"]
