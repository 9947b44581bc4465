"""Visitors of the site, each in a browser session of their own."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Request

from ..servers import ServerProcess
from ..shared_servers import SharedServer, shared_server
from .chromium import EXECUTABLE, chromium, playing

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


@pytest.fixture
def browser(transactional_db, one_chromium) -> Iterator[Browser]:
    """A browser without a session; those that the test begins end with it."""
    yield one_chromium
    for context in one_chromium.contexts:
        context.close()


class Complaints(list[str]):
    """What a page should never do: log an error (a breach of the policy is one), raise, or ask
    another host for anything.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self.host = urlsplit(url).netloc
        self.expected: tuple[str, ...] = ()

    def watch(self, context: BrowserContext) -> None:
        context.on("console", self._console)
        context.on("weberror", lambda error: self._add(str(error.error)))
        context.on("request", self._request)

    def expect(self, *texts: str) -> None:
        """Part of this test: a server that is stopped, a session that ends."""
        self.expected = texts

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._add(f"{message.text} ({message.location['url']})")

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
def visit(site, browser, complaints) -> Callable[..., Page]:
    """Opens a page in a new browser session: `visit()`, or the inbox: `visit(alice)`."""

    def visit(user: Any = None, **options: Any) -> Page:
        context = browser.new_context(base_url=site.url, **options)
        complaints.watch(context)
        if user is not None:
            client = Client()
            client.force_login(user)
            session = client.cookies[settings.SESSION_COOKIE_NAME].value
            context.add_cookies(
                [{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": site.url}]
            )
        page = context.new_page()
        page.goto("/" if user is None else INBOX)
        return page

    return visit
