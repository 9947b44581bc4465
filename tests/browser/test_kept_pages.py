"""Back and forward: pages as they were left, and none for who may not see it any more."""

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from playwright.sync_api import Page, expect

from ..orders.samples import an_order
from .bells import expect_live, place, titles

AWAY = "/notifications/choices/"


@pytest.fixture
def page(everyday, site, complaints, alice):
    """A tab of Alice's, in a browser that has run the scripts of the site before."""
    client = Client()
    client.force_login(alice)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    complaints.watch(everyday)
    everyday.add_cookies(
        [{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": site.url}]
    )
    page = everyday.new_page()
    page.goto(site.url + AWAY)
    expect_live(page)
    yield page
    page.close()
    complaints.forget(everyday)


def leave(page: Page, site, path: str) -> None:
    """Look at a page, and go on to another one."""
    page.goto(site.url + path)
    expect_live(page)
    page.evaluate("globalThis.isTheSamePage = true")
    page.goto(site.url + AWAY)


def come_back(page: Page) -> None:
    page.go_back(wait_until="commit")


def test_a_page_is_as_it_was_left_and_has_what_has_come_since(page, site, alice):
    order = an_order(alice)
    order.save()
    for path, news in {
        "/notifications/": "main [data-bell-row] strong",
        "/": ".card-of-order [aria-current=step]",
        f"/orders/{order.pk}/": ".timeline [aria-current=step] h3",
    }.items():
        leave(page, site, path)
        status = order.status = {"placed": "paid", "paid": "shipped", "shipped": "delivered"}[
            order.status
        ]
        order.save()
        come_back(page)
        expect(page.locator(news)).to_have_text(status.capitalize())
        expect(page.locator("h1")).to_be_visible()
        expect_live(page)
        assert page.evaluate("globalThis.isTheSamePage"), path


def test_after_signing_out_back_leads_to_the_login(page, site, alice):
    place(alice, "Teapot")
    leave(page, site, "/notifications/")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    page.go_back()
    page.go_back()
    expect(page.get_by_label("Password")).to_be_visible()
    expect(titles(page)).to_have_count(0)


def test_nor_is_it_shown_when_the_session_has_ended_meanwhile(page, site, complaints, alice):
    complaints.expect("401", "403")
    place(alice, "Teapot")
    leave(page, site, "/notifications/")
    expect_live(page)
    Session.objects.all().delete()
    page.evaluate("globalThis.isAway = true")
    come_back(page)
    expect(page.get_by_label("Password")).to_be_visible()
    expect(titles(page)).to_have_count(0)
