"""The way in, and the short way of those who try the site out."""

import pytest
from django.urls import reverse

from config import demo

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
    demo.create_accounts()
    assert names(client) == ["shop", "alice", "bob"]
    response = client.post(LOGIN, {"username": "alice", "password": demo.PASSWORD})
    assert response.wsgi_request.user.username == "alice"


def test_an_account_with_a_password_of_its_own_is_not_offered(client, development, alice):
    demo.create_accounts()
    assert names(client) == ["shop", "bob"]


@pytest.mark.parametrize(("debug", "production"), [(False, False), (True, True), (False, True)])
def test_nothing_of_it_is_offered_anywhere_else(client, settings, debug, production):
    demo.create_accounts()
    settings.DEBUG, settings.PRODUCTION = debug, production
    settings.SECURE_SSL_REDIRECT = False
    assert names(client) == []
