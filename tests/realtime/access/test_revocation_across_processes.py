"""Access ends when it ends, in every process: two real ones, and people who come in by the web."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from django.contrib.auth.models import Permission
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.test import Client
from rest_framework_simplejwt.tokens import AccessToken

from orders.models import Order
from realtime.hub.access_monitor import CLOCK_SECONDS
from tests.clients import STREAM, WAIT_SECONDS, bearer, open_stream, signed_in
from tests.conftest import PASSWORD
from tests.shared_servers import SharedServer, shared_server

END_SECONDS = 2  # what is promised


@pytest.fixture(scope="module")
def first(processes, django_db_setup, django_db_blocker) -> Iterator[SharedServer]:
    yield from shared_server(django_db_blocker, "daphne")


@pytest.fixture(scope="module")
def second(processes, django_db_setup, django_db_blocker) -> Iterator[SharedServer]:
    yield from shared_server(django_db_blocker, "daphne")


@pytest.fixture
def both(transactional_db, first, second):
    """Two processes of one site."""
    return first.running(), second.running()


@pytest.fixture
def opened():
    """Holds streams and browsers open until the test ends."""
    with ExitStack() as stack:
        yield stack.enter_context


def open_in(both, opened, **how):
    """The same stream in both processes."""
    return [opened(open_stream(server, **how)) for server in both]


def sign_in(both, opened, user):
    """A browser that is signed in to the site, whichever process answers.

    Not by the sign-in page: to hash a password takes a server a quarter of a second.
    """
    client = Client()
    client.force_login(user)
    cookies = {"sessionid": client.cookies["sessionid"].value}
    return opened(
        httpx.Client(
            base_url=both[0].url, cookies=cookies, timeout=WAIT_SECONDS, follow_redirects=True
        )
    )


def settled():
    """When the streams are old enough for only a hint to end them; the time it is then.

    A stream just opened is looked at once more by itself, and that would hide a missing hint.
    """
    time.sleep(1.5 * CLOCK_SECONDS)
    return time.monotonic()


def assert_they_end(streams, since):
    for stream in streams:
        assert stream.ended()
        assert time.monotonic() - since < END_SECONDS


def assert_they_go_on(streams, customer):
    """For all of them get what is ordered now."""
    order = Order.objects.create(
        customer=customer, product="Teapot", quantity=1, unit_price="24.50"
    )
    for stream in streams:
        assert stream.next_event().json()["order"] == order.pk


def log_out(browser, url):
    browser.post(f"{url}/logout/", data={"csrfmiddlewaretoken": browser.cookies["csrftoken"]})


def test_a_logout_ends_the_streams_of_that_session_in_both(both, opened, alice):
    here = opened(signed_in(both[0], alice.username, PASSWORD))
    alice.refresh_from_db()  # the server has hashed the password anew, with all its iterations
    there = sign_in(both, opened, alice)
    ending = open_in(both, opened, client=here)
    staying = open_in(both, opened, client=there)
    began = settled()
    log_out(here, both[0].url)
    assert_they_end(ending, began)
    assert_they_go_on(staying, alice)
    assert httpx.get(both[0].url + STREAM, cookies=here.cookies).status_code == 401


def set_password(user):
    user.set_password("another one")
    user.save()


def deactivate(user):
    user.is_active = False
    user.save()


def delete(user):
    user.delete()


def test_a_session_that_is_flushed_ends_its_streams_in_both(both, opened, alice):
    ending = open_in(both, opened, client=sign_in(both, opened, alice))
    staying = open_in(both, opened, **bearer(alice))
    began = settled()
    SessionStore(Session.objects.get().session_key).flush()
    assert_they_end(ending, began)
    assert_they_go_on(staying, alice)


@pytest.mark.parametrize("end", [set_password, deactivate, delete])
def test_what_ends_an_account_ends_its_streams_in_both(both, opened, alice, bob, end):
    browser = sign_in(both, opened, alice)
    headers = bearer(alice)
    ending = open_in(both, opened, client=browser) + open_in(both, opened, **headers)
    staying = open_in(both, opened, client=sign_in(both, opened, bob))
    began = settled()
    end(alice)
    assert_they_end(ending, began)
    assert_they_go_on(staying, bob)
    for server in both:
        assert browser.get(server.url + STREAM).status_code == 401
        assert httpx.get(server.url + STREAM, headers=headers).status_code == 401


def test_a_lost_permission_ends_the_streams_of_everybodys_orders_in_both(both, opened, alice, shop):
    view_order = Permission.objects.get(codename="view_order")
    alice.user_permissions.add(view_order)
    ending = open_in(both, opened, query="?scope=all", **bearer(alice))
    staying = open_in(both, opened, query="?scope=all", **bearer(shop))
    her_own = open_in(both, opened, **bearer(alice))
    began = settled()
    alice.user_permissions.remove(view_order)
    assert_they_end(ending, began)
    assert_they_go_on(staying + her_own, alice)


def test_a_token_ends_its_streams_and_a_new_one_goes_on_in_the_other_process(both, opened, alice):
    first, second = both
    token = AccessToken.for_user(alice)
    token["exp"] = int(time.time()) + 3
    expiring = opened(open_stream(first, Authorization=f"Bearer {token}"))
    staying = open_in(both, opened, **bearer(alice))
    Order.objects.create(customer=alice, product="Kettle", quantity=1, unit_price="24.50")
    seen = expiring.next_event()
    assert expiring.ended()
    assert token["exp"] <= time.time() < token["exp"] + END_SECONDS
    for stream in staying:
        assert stream.next_event().id == seen.id
    missed = Order.objects.create(customer=alice, product="Cup", quantity=1, unit_price="2.50")
    renewed = opened(open_stream(second, cursor=seen.id, **bearer(alice)))
    assert renewed.next_event().json()["order"] == missed.pk
    assert_they_go_on([renewed], alice)
