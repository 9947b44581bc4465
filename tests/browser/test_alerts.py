"""What is told on the desktop and by a sound, while nobody looks at the site."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.test import Client
from playwright.sync_api import BrowserContext, Page, expect

from ..waiting import wait_until
from .bells import badge, expect_live, move_on, place
from .chromium import everyday_chromium

CHOICES = "/notifications/choices/"

# The real ones, remembered. A headless browser shows them nowhere.
REMEMBERING = """
globalThis.told = [];
globalThis.struck = 0;
globalThis.asked = 0;
globalThis.Notification = class extends Notification {
  constructor(title, options) {
    super(title, options);
    told.push(this);
  }
};
if (isSecureContext) {
  const query = LockManager.prototype.query;
  LockManager.prototype.query = function () {
    asked += 1;
    return query.call(this);
  };
}
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...when) {
  struck += 1;
  return start.apply(this, when);
};
"""


@contextmanager
def signed_in(playwright, site, complaints, user) -> Iterator[BrowserContext]:
    """A session whose tabs can be hidden."""
    client = Client()
    client.force_login(user)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    with everyday_chromium(playwright) as context:
        complaints.watch(context)
        context.add_init_script(REMEMBERING)
        context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": site.url}]
        )
        yield context


def open_choices(context: BrowserContext, site) -> Page:
    page = context.new_page()
    page.goto(site.url + CHOICES)
    expect_live(page)
    return page


def told(*pages: Page) -> list[str]:
    """The titles of all notifications that these pages have shown since the sample."""
    return [
        title
        for page in pages
        for title in page.evaluate("told.map(({ title }) => title)")
        if title != "This is how you will be told."
    ]


def test_one_tab_tells_on_the_desktop_and_only_while_none_is_looked_at(
    playwright, site, complaints, alice
):
    with signed_in(playwright, site, complaints, alice) as context:
        context.grant_permissions(["notifications"], origin=site.url)
        tabs = [open_choices(context, site) for _ in range(2)]
        tabs[1].get_by_label("on the desktop").check()
        tabs[1].get_by_label("by a sound").check()
        wait_until(lambda: tabs[1].evaluate("told.length === 1 && struck === 2"))
        expect(tabs[0].get_by_label("on the desktop")).to_be_checked()

        order = place(alice, "Teapot")
        for tab in tabs:
            expect(badge(tab)).to_have_text("1")
        wait_until(lambda: tabs[0].evaluate("asked > 0"))  # whether anybody looks; somebody does
        elsewhere = context.new_page()
        elsewhere.bring_to_front()
        move_on(order, "paid")
        wait_until(lambda: told(*tabs))
        assert told(*tabs) == ["Paid · 2 × Teapot"]
        assert tabs[0].evaluate("told[0].body") != ""

        with context.expect_page() as opened:
            tabs[0].evaluate("told[0].dispatchEvent(new Event('click'))")
        expect(opened.value).to_have_url(f"{site.url}/orders/{order.pk}/")
        for tab in tabs:
            expect(badge(tab)).to_be_hidden()
        assert told(*tabs) == ["Paid · 2 × Teapot"]


def test_a_browser_that_forbids_it_is_named_and_nothing_is_asked_before_a_click(
    visit, complaints, alice
):
    # In a session that Playwright begins nothing is permitted. It is this test's alone.
    page = visit(alice, permissions=[])
    page.context.add_init_script(
        "globalThis.asked = 0;"
        "const ask = Notification.requestPermission.bind(Notification);"
        "Notification.requestPermission = () => { asked += 1; return ask(); };"
    )
    page.goto(CHOICES)
    expect_live(page)
    choice = page.get_by_label("on the desktop")
    expect(choice).not_to_be_checked()
    assert page.evaluate("asked") == 0
    choice.click()
    expect(page.get_by_text("doesn’t let this site")).to_be_visible()
    expect(choice).not_to_be_checked()
    assert page.evaluate("asked") == 1
