"""The libraries that people have, from npm, in a browser: live, and nothing lost over a restart."""

import os
import subprocess

import pytest
from conftest import CHROMIUM, PASSWORD, running
from django.conf import settings
from playwright.sync_api import expect, sync_playwright
from workspace.comments import publish_comment
from workspace.models import Job
from workspace.sharing import share
from workspace.views import write

LIBRARIES = settings.NODE_MODULES
pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no `chromium` on the PATH: apt-get install chromium"),
    pytest.mark.skipif(not (LIBRARIES / "htmx2").is_dir(), reason="no node_modules: npm ci"),
]
WAIT_MS = 20_000


@pytest.fixture(scope="module")
def browser(django_db_setup):
    # Playwright keeps an event loop running in this thread, and nothing else waits for it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=CHROMIUM, args=["--headless", "--no-sandbox", "--disable-gpu"]
            )
            yield browser
            browser.close()
    finally:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="module")
def bundled():
    """Datastar is on npm in parts that a bundler puts together."""
    datastar = LIBRARIES / "@starfederation/datastar/dist"
    subprocess.run(
        [
            LIBRARIES / "esbuild/bin/esbuild",
            datastar / "bundles/datastar.js",
            *("--bundle", "--format=esm", "--log-level=warning", f"--alias:~={datastar}"),
            f"--outfile={settings.LIBRARIES['datastar'] / 'datastar.js'}",
        ],
        check=True,
    )


@pytest.fixture
def server(transactional_db, bundled):
    with running("daphne") as server:
        yield server


@pytest.fixture
def page(browser, server, bob):
    """A page of Bob's, who has signed in."""
    context = browser.new_context(base_url=server.url)
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto("/en/login/")
    page.fill("[name=username]", bob.email)
    page.fill("[name=password]", PASSWORD)
    page.click("button")
    page.wait_for_url("**/en/")
    yield page
    context.close()


@pytest.mark.parametrize("library", ["htmx2", "htmx4", "turbo", "datastar"])
def test_comments_are_live_and_each_is_told_once_over_a_restart(page, server, document, library):
    def comment(*texts):
        for text in texts:
            publish_comment(document.comments.create(text=text))

    def told(*texts):
        expect(page.locator("#comments li")).to_have_text(list(texts), timeout=WAIT_MS)

    comment("before")
    page.goto(f"/en/documents/{document.pk}/comments/{library}/")
    told("before")
    comment("live")
    told("before", "live")
    server.stop()
    comment("while it was away", "and one more")
    server.start()
    told("before", "live", "while it was away", "and one more")
    comment("after")
    told("before", "live", "while it was away", "and one more", "after")


def test_a_document_is_live_with_the_librarys_own_script(page, server, document):
    page.goto(f"/en/documents/{document.pk}/")
    article = page.locator("article")
    expect(article).to_have_attribute("data-state", "live", timeout=WAIT_MS)
    write(document, "Second draft")
    expect(article).to_have_text("Second draft")


def test_the_bell_rings_leads_to_the_document_and_is_read_then(page, document, alice, bob):
    bell = page.get_by_role("button", name="Notifications")
    expect(page.locator(".bell-badge")).to_be_hidden()
    other = page.context.new_page()
    other.goto("/en/")
    share(document, [bob], by=alice)
    for tab in (page, other):
        expect(tab.locator(".bell-badge")).to_have_text("1", timeout=WAIT_MS)
    expect(page.locator("[data-bell-toasts]")).to_contain_text("Plan")
    bell.click()
    row = page.locator("#bell-panel [data-bell-row]")
    expect(row).to_contain_text("alice@example.com shared it with you.")
    row.get_by_role("link").click()
    page.wait_for_url(f"**/en/documents/{document.pk}/")
    for tab in (page, other):
        expect(tab.locator(".bell-badge")).to_be_hidden(timeout=WAIT_MS)
    # While Bob looks at the document, more of it rings no bell.
    before = row.get_attribute("data-position")
    share(document, [bob], by=alice)
    expect(row).not_to_have_attribute("data-position", before, timeout=WAIT_MS)
    expect(row).to_have_attribute("data-state", "read")
    expect(page.locator(".bell-badge")).to_be_hidden()


def test_a_job_opened_in_the_middle_is_right_at_once(page, server, bob):
    import realtime

    job = Job.objects.create(owner=bob, name="Import", total=100)
    for done in range(1, 51):
        realtime.publish(
            to=job, type="progress", data={"done": done, "total": 100}, latest="progress"
        )
    page.goto(f"/en/jobs/{job.pk}/")
    expect(page.locator("progress")).to_have_js_property("value", 50, timeout=WAIT_MS)
