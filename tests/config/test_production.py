"""Production refuses to start while a default that is only good for development is left."""

import secrets

import httpx
import pytest
from django.core.exceptions import ImproperlyConfigured

from config import checks, production
from config.demo import accounts
from tests.servers import database_url, free_port, running_server

READY = {
    "DJANGO_ENV": "production",
    "DJANGO_SECRET_KEY": secrets.token_urlsafe(50),
    "DJANGO_ALLOWED_HOSTS": "shop.example.com",
    "DATABASE_URL": "postgresql://shop@db.example.com/shop",
}


@pytest.fixture
def environment(monkeypatch):
    """An environment that is ready for production, to spoil."""
    monkeypatch.delenv("DJANGO_DEBUG", raising=False)
    for name, value in READY.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_it_starts_when_everything_is_set(environment):
    production.require()


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("DJANGO_SECRET_KEY", "", "DJANGO_SECRET_KEY is not set"),
        ("DJANGO_SECRET_KEY", "short", "DJANGO_SECRET_KEY can be guessed"),
        ("DJANGO_SECRET_KEY", "x" * 60, "DJANGO_SECRET_KEY can be guessed"),
        ("DJANGO_SECRET_KEY", f"django-insecure-{'abcdef' * 9}", "can be guessed"),
        ("DJANGO_ALLOWED_HOSTS", "", "DJANGO_ALLOWED_HOSTS is not set"),
        ("DJANGO_ALLOWED_HOSTS", "shop.example.com,*", "DJANGO_ALLOWED_HOSTS="),
        ("DJANGO_DEBUG", "1", "DJANGO_DEBUG is on"),
        ("DATABASE_URL", "", "DATABASE_URL is not set"),
    ],
)
def test_each_default_of_development_is_refused(name, value, complaint, environment):
    environment.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=complaint) as refusal:
        production.require()
    assert len(str(refusal.value).splitlines()) == 2  # this problem, and no other


def test_every_command_refuses_and_names_all_that_is_missing_at_once(checkout):
    status, output = checkout.manage("check", DJANGO_ENV="production", DJANGO_DEBUG="true")
    assert status == 1
    for name in ("DJANGO_SECRET_KEY", "DJANGO_ALLOWED_HOSTS", "DJANGO_DEBUG", "DATABASE_URL"):
        assert f"  - {name} is " in output
    assert not (checkout.path / ".local").exists()


def test_an_environment_of_another_name_is_refused(checkout):
    status, output = checkout.manage("check", DJANGO_ENV="prod")
    assert status == 1
    assert "DJANGO_ENV='prod': say development or production." in output


@pytest.mark.django_db(transaction=True)
def test_the_deployment_checks_are_clean(checkout):
    environment = {**READY, "DATABASE_URL": database_url()}
    status, output = checkout.manage("check", "--deploy", "--fail-level", "WARNING", **environment)
    assert status == 0, output
    assert "no issues" in output


@pytest.mark.django_db(transaction=True)
def test_the_deployment_checks_find_demo_accounts(checkout):
    accounts.create_accounts()
    status, output = checkout.manage(
        "check", "--deploy", **{**READY, "DATABASE_URL": database_url()}
    )
    assert status == 1
    assert "config.E001" in output
    assert "shop, alice, bob" in output
    assert "manage.py changepassword shop" in output


# uvicorn imports the application inside its event loop, where Django allows no queries.
@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
@pytest.mark.django_db(transaction=True)
def test_no_server_starts_with_demo_accounts(processes, kind):
    accounts.create_accounts()
    with (
        pytest.raises(AssertionError, match=r"shop, alice, bob.*changepassword"),
        running_server(kind, **{**READY, "DATABASE_URL": database_url()}),
    ):
        pytest.fail("it started")


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
def test_it_starts_while_the_database_is_away(processes, kind):
    nowhere = f"postgresql://shop@127.0.0.1:{free_port()}/shop"
    with running_server(kind, **{**READY, "DATABASE_URL": nowhere}) as server:
        assert httpx.get(server.url, headers={"Host": "shop.example.com"}).status_code == 301


@pytest.fixture
def in_production(settings):
    settings.PRODUCTION = True


@pytest.mark.usefixtures("in_production", "db")
def test_an_alice_with_a_password_of_her_own_is_no_demo_account(alice):
    assert checks.check_demo_accounts() == []


@pytest.mark.usefixtures("in_production", "db")
def test_a_demo_account_that_is_deactivated_is_harmless(django_user_model):
    accounts.create_accounts()
    django_user_model.objects.update(is_active=False)
    assert checks.check_demo_accounts() == []
