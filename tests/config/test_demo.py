"""What /demo/ is not: there in production, or anybody's but Alice's."""

import importlib
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.urls import NoReverseMatch, clear_url_caches, reverse

from config.demo import accounts, faults
from orders.models import Order

ACTIONS = [
    "demo_order",
    "demo_ship",
    "demo_rush",
    "demo_break_sessions",
    "demo_break_database",
    "demo_break_server",
]


@pytest.fixture
def development(settings):
    settings.DEBUG = True


@pytest.fixture
def in_production(settings):
    """The addresses as a process in production reads them."""
    names = ["config.urls", "config.demo.urls"]
    before = {name: sys.modules.pop(name, None) for name in names}
    settings.PRODUCTION = True
    clear_url_caches()
    yield
    for name, module in before.items():
        sys.modules.pop(name, None)
        if module is not None:
            sys.modules[name] = module
    clear_url_caches()


@pytest.mark.usefixtures("in_production")
def test_in_production_it_has_no_address():
    assert reverse("home") == "/"
    for name in ["demo", *ACTIONS]:
        with pytest.raises(NoReverseMatch):
            reverse(name)


@pytest.mark.usefixtures("in_production")
def test_in_production_it_refuses_to_be_given_one():
    with pytest.raises(ImproperlyConfigured, match="for development"):
        importlib.import_module("config.demo.urls")


@pytest.mark.django_db
@pytest.mark.parametrize("name", ACTIONS)
def test_without_debug_nothing_of_it_works(client, alice, name):
    client.force_login(alice)
    assert client.get(reverse("demo")).status_code == 404
    assert client.get(reverse("demo_published"), {"after": 0}).status_code == 404
    assert client.post(reverse(name)).status_code == 404


@pytest.mark.django_db
@pytest.mark.usefixtures("development")
@pytest.mark.parametrize("name", ACTIONS)
def test_nobody_but_alice_presses_its_buttons(client, bob, name):
    for user in (None, bob):
        if user:
            client.force_login(user)
        assert client.post(reverse(name)).status_code == 403
    assert client.get(reverse(name)).status_code == 405
    assert not Order.objects.exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("development")
def test_it_says_what_to_do_where_there_is_no_alice(client):
    response = client.get(reverse("demo"))
    assert response.status_code == 404
    assert "manage.py demo_accounts" in response.content.decode()


@pytest.mark.django_db
@pytest.mark.usefixtures("development")
def test_a_server_of_somebodys_is_never_stopped(client, monkeypatch):
    monkeypatch.setattr(faults, "EMBEDDED_ENGINE", "not the one of the settings")
    accounts.create_accounts()
    page = client.get(reverse("demo"))
    assert reverse("demo_break_sessions") in page.content.decode()
    assert reverse("demo_break_database") not in page.content.decode()
    assert client.post(reverse("demo_break_database")).status_code == 404


@pytest.mark.django_db
@pytest.mark.usefixtures("development")
def test_a_button_pressed_before_the_script_has_come_leads_back_to_the_page(client):
    accounts.create_accounts()
    client.get(reverse("demo"))
    as_a_form_is_sent = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    answer = client.post(reverse("demo_order"), headers={"accept": as_a_form_is_sent})
    assert (answer.status_code, answer.url) == (302, reverse("demo"))
    assert Order.objects.count() == 1
    client.logout()
    answer = client.post(reverse("demo_order"), headers={"accept": as_a_form_is_sent})
    assert (answer.status_code, answer.url) == (302, reverse("demo"))
    assert client.post(reverse("demo_order"), headers={"accept": "*/*"}).status_code == 403


@pytest.mark.django_db
@pytest.mark.usefixtures("development")
def test_the_sign_in_page_hashes_one_password_for_all_demo_accounts(client, monkeypatch):
    accounts.create_accounts()
    hashed = []
    check = accounts.check_password
    monkeypatch.setattr(
        accounts, "check_password", lambda *given: hashed.append(given) or check(*given)
    )
    page = client.get(reverse("login")).content.decode()
    assert all(account.username in page for account in accounts.ACCOUNTS)
    assert len(hashed) == 1
