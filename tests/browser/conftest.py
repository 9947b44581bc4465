"""Visitors of the site, each in a browser session of their own."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    Request,
    WebError,
)

from ..servers import ServerProcess
from ..shared_servers import SharedServer, shared_server
from .chromium import EXECUTABLE, chromium, everyday_chromium, playing

# Where whoever is signed in begins.
INBOX = "/notifications/"


# For the whole folder, and no longer: it leaves an event loop running in this thread, in which the
# async tests of other folders could not run theirs. The test database is made outside of it.
@pytest.fixture(scope="package")
def playwright(django_db_setup) -> Iterator[Playwright]:
    if not EXECUTABLE:
        pytest.skip("no `chromium` on the PATH: apt-get install chromium")
    with playing() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def one_chromium(playwright) -> Iterator[Browser]:
    """Starting it takes longer than many a test."""
    with chromium(playwright) as browser:
        yield browser


@pytest.fixture(scope="package")
def shared_site(playwright, django_db_setup, django_db_blocker) -> Iterator[SharedServer]:
    yield from shared_server(django_db_blocker, "runserver")


@pytest.fixture
def site(transactional_db, shared_site) -> ServerProcess:
    """`manage.py runserver` on the test database, of which each test has users of its own."""
    return shared_site.running()


@pytest.fixture
def empty_log(transactional_db, shared_site) -> None:
    """The server of this test is a new one, and positions begin at one."""
    shared_site.stop()


class KeptSessions:
    """Browser sessions that a test has left, emptied for the next one.

    In a new one Chromium starts two processes and loads each script anew, which is most of the work
    of a short test.
    """

    def __init__(self) -> None:
        self._url = ""
        # With the options that they were begun with.
        self._kept: list[tuple[BrowserContext, dict[str, Any]]] = []

    def __contains__(self, context: BrowserContext) -> bool:
        return any(kept is context for kept, _ in self._kept)

    def take(self, url: str, options: dict[str, Any]) -> BrowserContext | None:
        """One of a site at this address, with these options; none if there is none left."""
        if self._url != url:  # the server was replaced
            while self._kept:
                self._kept.pop()[0].close()
            self._url = url
        for number, (context, with_options) in enumerate(self._kept):
            if with_options == options:
                del self._kept[number]
                return context
        return None

    def keep(self, context: BrowserContext, options: dict[str, Any]) -> None:
        """As if nobody had been there, but for what is cached."""
        first, *others = context.pages or [context.new_page()]
        for page in others:
            page.close()
        stored = {"origin": self._url, "storageTypes": "all"}
        context.new_cdp_session(first).send("Storage.clearDataForOrigin", stored)
        first.close()
        context.clear_cookies()
        context.set_offline(False)
        self._kept.append((context, options))


@pytest.fixture(scope="package")
def kept_sessions(one_chromium) -> KeptSessions:
    return KeptSessions()


@pytest.fixture
def browser(transactional_db, one_chromium, kept_sessions) -> Iterator[Browser]:
    """A browser without a session; those that the test begins end with it."""
    yield one_chromium
    for context in one_chromium.contexts:
        if context not in kept_sessions:
            context.close()


@pytest.fixture(scope="package")
def one_everyday_chromium(playwright) -> Iterator[BrowserContext]:
    """Its start takes a second of a core."""
    with everyday_chromium(playwright) as context:
        yield context


@pytest.fixture
def everyday(transactional_db, one_everyday_chromium) -> Iterator[BrowserContext]:
    """A browser session as people have it, in which nobody is signed in. It may know the site."""
    kept, *_ = one_everyday_chromium.pages  # without any the browser would end
    yield one_everyday_chromium
    for page in one_everyday_chromium.pages:
        if page is not kept:
            page.close()
    one_everyday_chromium.clear_cookies()


class Complaints(list[str]):
    """What a page should never do: log an error (a breach of the policy is one), raise, or ask
    another host for anything.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self.host = urlsplit(url).netloc
        self.expected: tuple[str, ...] = ()

    def watch(self, context: BrowserContext) -> None:
        for event, complain in self._listeners:
            context.on(event, complain)

    def forget(self, context: BrowserContext) -> None:
        for event, complain in self._listeners:
            context.remove_listener(event, complain)

    @property
    def _listeners(self) -> list[tuple[str, Callable[[Any], None]]]:
        return [
            ("console", self._console),
            ("weberror", self._error),
            ("request", self._request),
        ]

    def expect(self, *texts: str) -> None:
        """Part of this test: a server that is stopped, a session that ends."""
        self.expected = texts

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._add(f"{message.text} ({message.location['url']})")

    def _error(self, error: WebError) -> None:
        self._add(str(error.error))

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "chrome") and parts.netloc != self.host:
            self._add(f"asked {parts.netloc} for {request.url}")

    def _add(self, text: str) -> None:
        if not any(expected in text for expected in self.expected):
            self.append(text)


@pytest.fixture
def complaints(site) -> Iterator[Complaints]:
    complaints = Complaints(site.url)
    yield complaints
    assert complaints == []


@pytest.fixture
def visit(site, browser, complaints, kept_sessions) -> Iterator[Callable[..., Page]]:
    """Opens a page in a browser session of its own: `visit()`, or the inbox: `visit(alice)`.

    at: the address of another page. prepare: does something to the tab before the page is loaded.
    options: of the session. With permissions, or own=True, it is a new one, and may be changed as a
    whole; else what a test does to it, as a script or a clock for all its pages, would be found by
    the next.
    """
    begun: list[tuple[BrowserContext, dict[str, Any]]] = []

    def session(own: bool = False, **options: Any) -> BrowserContext:
        if own or "permissions" in options:
            return browser.new_context(base_url=site.url, **options)
        context = kept_sessions.take(site.url, options)
        context = context or browser.new_context(base_url=site.url, **options)
        begun.append((context, options))
        return context

    def visit(
        user: Any = None,
        *,
        at: str | None = None,
        prepare: Callable[[Page], object] | None = None,
        **options: Any,
    ) -> Page:
        context = session(**options)
        complaints.watch(context)
        if user is not None:
            client = Client()
            client.force_login(user)
            key = client.cookies[settings.SESSION_COOKIE_NAME].value
            context.add_cookies(
                [{"name": settings.SESSION_COOKIE_NAME, "value": key, "url": site.url}]
            )
        page = context.new_page()
        if prepare is not None:
            prepare(page)
        page.goto(at or ("/" if user is None else INBOX))
        return page

    yield visit
    for context, options in begun:
        if context in browser.contexts:  # the test may have closed it
            complaints.forget(context)
            kept_sessions.keep(context, options)
