"""The way in, and the short way of those who try the site out."""

import pytest
from axes.models import AccessAttempt
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.demo import accounts

from ..conftest import PASSWORD
from ..orders.pages import element, elements, page_of

pytestmark = pytest.mark.django_db
LOGIN = reverse("login")


@pytest.fixture
def development(settings):
    settings.DEBUG = True
    settings.PRODUCTION = False


def names(client):
    page = page_of(client.get(LOGIN))
    fields = elements(element(page, "main"), "input", type="hidden", name="username")
    return [dict(field.attributes)["value"] for field in fields]


def test_in_development_one_click_signs_in_as_a_demo_account(client, development):
    accounts.create_accounts()
    assert names(client) == ["shop", "alice", "bob"]
    response = client.post(LOGIN, {"username": "alice", "password": accounts.PASSWORD})
    assert response.wsgi_request.user.username == "alice"


def test_an_account_with_a_password_of_its_own_is_not_offered(client, development, alice):
    accounts.create_accounts()
    assert names(client) == ["shop", "bob"]


@pytest.mark.parametrize(
    ("username", "next_page", "begins_at"),
    [
        ("alice", "", "/"),
        ("shop", "", "/orders/"),
        ("shop", "/notifications/", "/notifications/"),
    ],
    ids=["a customer", "staff", "staff on their way elsewhere"],
)
def test_who_signs_in_begins_at_the_page_that_is_theirs(
    client, alice, shop, username, next_page, begins_at
):
    front = client.get("/", follow=True)
    assert front.redirect_chain == [(LOGIN, 302)]
    fields = {"username": username, "password": PASSWORD, "next": next_page}
    response = client.post(LOGIN, fields, follow=True)
    assert response.redirect_chain == [(begins_at, 302)]
    assert response.status_code == 200
    if not next_page:
        assert client.get(LOGIN).url == begins_at  # signed in already


def test_staff_who_may_not_see_the_board_begin_at_their_own_page(client, alice):
    alice.is_staff = True
    alice.save()
    response = client.post(LOGIN, {"username": "alice", "password": PASSWORD})
    assert response.url == "/"


@pytest.mark.parametrize(("debug", "production"), [(False, False), (True, True), (False, True)])
def test_nothing_of_it_is_offered_anywhere_else(client, settings, debug, production):
    accounts.create_accounts()
    settings.DEBUG, settings.PRODUCTION = debug, production
    settings.SECURE_SSL_REDIRECT = False
    assert names(client) == []


class FromHere:
    """The three ways in. Each is told the password, and says whether it let one in."""

    def __init__(self, page):
        self._page = page

    def __call__(self, password, address="192.0.2.7"):
        fields = {"username": "shop", "password": password}
        kind = "application/json" if self._page == TOKEN else None
        options = {"REMOTE_ADDR": address, **({"content_type": kind} if kind else {})}
        return Client().post(self._page, fields, **options)


ADMIN, TOKEN = reverse("admin:login"), reverse("token_obtain_pair")


def is_in(response):
    return response.status_code in (200, 302) and (
        "access" in response.json()
        if response.headers["Content-Type"] == "application/json"
        else bool(response.cookies.get("sessionid"))
    )


@pytest.fixture(params=[LOGIN, ADMIN, TOKEN])
def sign_in(shop, request):
    return FromHere(request.param)


def test_after_ten_wrong_passwords_the_right_one_is_no_longer_looked_at(sign_in, settings):
    for _ in range(settings.AXES_FAILURE_LIMIT):
        assert not is_in(sign_in("wrong"))
    locked = sign_in(PASSWORD)
    assert locked.status_code == 429
    assert int(locked["Retry-After"]) == settings.AXES_COOLOFF_TIME.total_seconds()
    # Who guesses somebody else's password doesn't lock them out.
    assert is_in(sign_in(PASSWORD, address="198.51.100.9"))


def test_who_has_many_addresses_of_one_network_is_one(sign_in, settings):
    for number in range(settings.AXES_FAILURE_LIMIT):
        assert not is_in(sign_in("wrong", address=f"2001:db8::{number:x}"))
    assert sign_in(PASSWORD, address="2001:db8::ffff").status_code == 429
    assert is_in(sign_in(PASSWORD, address="2001:db8:0:1::1"))


@pytest.mark.parametrize("given", ["unknown", "", "192.0.2.7:4711", "fe80::1%eth0"])
def test_what_is_no_address_is_counted_all_the_same(sign_in, settings, given):
    """A proxy may have passed it on from its client."""
    for _ in range(settings.AXES_FAILURE_LIMIT):
        assert not is_in(sign_in("wrong", address=given))
    assert sign_in(PASSWORD, address=given).status_code == 429


@pytest.mark.parametrize("page", [LOGIN, ADMIN, TOKEN])
def test_a_name_that_is_longer_than_any_is_a_wrong_one(page):
    fields = {"username": "a" * 5_000, "password": "wrong"}
    assert Client().post(page, fields).status_code in (200, 401)


@pytest.mark.parametrize("sign_in", [LOGIN, ADMIN], indirect=True)
def test_a_wrong_password_now_and_then_is_nothing(sign_in, settings):
    for _ in range(settings.AXES_FAILURE_LIMIT - 1):
        sign_in("wrong")
    assert is_in(sign_in(PASSWORD))
    for _ in range(settings.AXES_FAILURE_LIMIT - 1):
        sign_in("wrong")
    assert is_in(sign_in(PASSWORD))


def test_the_door_opens_again_after_a_while(sign_in, settings):
    for _ in range(settings.AXES_FAILURE_LIMIT + 1):
        sign_in("wrong")
    AccessAttempt.objects.update(attempt_time=timezone.now() - settings.AXES_COOLOFF_TIME)
    assert is_in(sign_in(PASSWORD))


def test_a_person_is_told_on_a_page_and_a_program_as_json(shop, settings):
    for page in (LOGIN, TOKEN):
        for _ in range(settings.AXES_FAILURE_LIMIT + 1):
            answer = FromHere(page)("wrong", address="192.0.2.8")
    assert answer.json()["detail"].startswith("Too many wrong passwords")
    page = page_of(FromHere(LOGIN)(PASSWORD, address="192.0.2.8"))
    assert element(page, "h1").children == ["Too many attempts"]
