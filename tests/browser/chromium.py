"""Debian's Chromium, driven by Playwright."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from unittest.mock import patch

from django.db import connections
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    TimeoutError,
    expect,
    sync_playwright,
)

EXECUTABLE = shutil.which("chromium")
# The same without the window around the page, where it is installed: a third less work.
HEADLESS = shutil.which("chromium-headless-shell") or EXECUTABLE

ANSWERED_MS = 7_000
# Three times as long as Playwright waits by itself: a busy machine is no fault of a page's. A test
# whose claim is about a time gives that time.
EXPECTED_MS = 15_000
expect.set_options(timeout=EXPECTED_MS)
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    # Whatever Chromium asks for by itself would be a request to another host.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """A browser, of which nobody sees more than the page."""
    browser = playwright.chromium.launch(executable_path=HEADLESS, args=ARGUMENTS)
    try:
        yield browser
    finally:
        browser.close()


@contextmanager
def everyday_chromium(playwright: Playwright) -> Iterator[BrowserContext]:
    """A browser session as people have it: hidden tabs, which can be frozen, and a back/forward
    cache. In those that Playwright starts every tab believes to be in front.
    """
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        subprocess.Popen(
            [EXECUTABLE, *ARGUMENTS, "--remote-debugging-port=0", f"--user-data-dir={folder}"],
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        try:
            address = next(line for line in process.stderr if "DevTools listening on" in line)
            browser = _connected(playwright, address.split()[-1])
            yield browser.contexts[0]
            browser.close()  # which only disconnects
        finally:
            process.terminate()


def _connected(playwright: Playwright, address: str) -> Browser:
    # One that has only just started leaves a first connection unanswered now and then, for ever.
    for _ in range(2):
        with suppress(TimeoutError):
            return playwright.chromium.connect_over_cdp(
                address, timeout=ANSWERED_MS, no_defaults=True
            )
    return playwright.chromium.connect_over_cdp(address, no_defaults=True)


@contextmanager
def playing() -> Iterator[Playwright]:
    """What drives browsers. Nothing async can run meanwhile, but the ORM can be used."""
    # Playwright's sync API keeps an event loop running in this thread. Django then refuses to
    # query, lest a query block that loop; here nothing else waits for it.
    with patch.dict(os.environ, DJANGO_ALLOW_ASYNC_UNSAFE="true"), sync_playwright() as playwright:
        try:
            yield playwright
        finally:
            # Under a running loop `connections` are others than outside; nobody else ends them.
            connections.close_all()


def sign_in(page: Page, url: str, username: str, password: str) -> None:
    """Sign in through the login page that `url` leads to."""
    page.goto(url)
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
