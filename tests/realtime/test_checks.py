"""Mistakes in REALTIME are told by `manage.py check`."""

import logging

import pytest
from django.apps import apps
from django.core.checks import run_checks

from realtime import checks, conf
from realtime.checks import check_server, check_settings
from realtime.serving import responses
from tests.clients import STREAM, bearer

from .test_views import beginning


def told(settings, **given):
    """The one error about these settings: its id, and its text and hint in one."""
    settings.REALTIME = given
    [error] = check_settings()
    return error.id, f"{error.msg} {error.hint}"


def test_the_projects_own_settings_are_good():
    assert not [error for error in run_checks() if error.id.startswith("realtime.")]


def test_the_defaults_are_good(settings):
    settings.REALTIME = conf.DEFAULTS
    assert not check_settings()
    del settings.REALTIME
    assert not check_settings()


def test_they_run_with_the_others(settings):
    settings.REALTIME = {"POLL_SECOND": 5}
    assert [error.id for error in run_checks()] == ["realtime.E002"]


def test_they_are_a_dictionary(settings):
    settings.REALTIME = ["POLL_SECONDS"]
    assert [error.id for error in check_settings()] == ["realtime.E001"]


def test_a_name_that_is_none(settings):
    found, text = told(settings, POLL_SECOND=5)
    assert found == "realtime.E002"
    assert text == "REALTIME has no setting 'POLL_SECOND'. Did you mean 'POLL_SECONDS'?"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POLL_SECONDS", 0),
        ("POLL_SECONDS", -1),
        ("POLL_SECONDS", "5"),
        ("POLL_SECONDS", None),
        ("POLL_SECONDS", True),
        ("POLL_SECONDS", float("nan")),
        ("HEARTBEAT_SECONDS", 0.5),
        ("MAX_STREAMS", 0),
        ("DRAIN_SECONDS", -1),
        ("RETRY_MILLISECONDS", 1000),
        ("RETRY_MILLISECONDS", (1000,)),
        ("RETRY_MILLISECONDS", (4000, 1000)),
        ("RETRY_MILLISECONDS", ("1", "2")),
        ("COME_BACK_SECONDS", (0, 10)),
    ],
)
def test_a_number_that_can_not_be(settings, name, value):
    found, text = told(settings, **{name: value})
    assert found == "realtime.E003"
    assert text.startswith(f"REALTIME[{name!r}] is {value!r}, and has to be ")
    assert text.endswith(f"The default is {conf.DEFAULTS[name]!r}.")


@pytest.mark.parametrize(
    ("name", "value"),
    [("POLL_SECONDS", 1), ("DRAIN_SECONDS", 0), ("RETRY_MILLISECONDS", [1000, 1000])],
)
def test_a_number_that_can(settings, name, value):
    settings.REALTIME = {name: value}
    assert not check_settings()


def test_a_database_that_is_not_there(settings):
    found, text = told(settings, DATABASE="replica")
    assert found == "realtime.E004"
    assert "It has to be one of 'default'." in text


def test_a_database_that_is_not_postgresql(settings, monkeypatch):
    monkeypatch.setattr("django.db.connection.vendor", "sqlite", raising=False)
    found, text = told(settings)
    assert found == "realtime.E005"
    assert "'default'" in text


@pytest.mark.parametrize(
    "paths",
    ["realtime.access.authentication.session", [], ["nonsense"], ["realtime.nobody"], [None]],
)
def test_authentication_that_can_not_be_imported(settings, paths):
    found, text = told(settings, AUTHENTICATION=paths)
    assert found == "realtime.E006"
    assert "REALTIME['AUTHENTICATION']" in text


def test_authentication_that_is_no_function(settings):
    found, text = told(settings, AUTHENTICATION=["realtime.conf.DEFAULTS"])
    assert found == "realtime.E006"
    assert "it is not a function" in text


async def asynchronous(request=None):
    return None


@pytest.mark.parametrize(
    ("name", "value"),
    [("AUTHENTICATION", [f"{__name__}.asynchronous"]), ("TENANT", f"{__name__}.asynchronous")],
)
def test_a_function_that_is_asynchronous(settings, name, value):
    assert "it is asynchronous" in told(settings, **{name: value})[1]


@pytest.mark.parametrize("url", ["postgresql://me:secret@[host/name", "secret", 5])
def test_a_listen_url_that_is_none_and_stays_secret(settings, url):
    found, text = told(settings, LISTEN_URL=url)
    assert found == "realtime.E007"
    assert "secret" not in text


async def test_an_application_without_outlive_request_is_told_once(client, alice, caplog):
    """No check can see which application a server runs. The first stream does."""
    responses._say_that_the_application_is_not_wrapped.cache_clear()
    with caplog.at_level(logging.WARNING, "realtime"):
        for _ in range(2):
            await beginning(await client.get(STREAM, headers=bearer(alice)))
    assert caplog.text.count("application = outlive_request(get_asgi_application())") == 1


def test_runserver_by_wsgi_is_told(settings, monkeypatch):
    monkeypatch.setattr("sys.argv", ["manage.py", "runserver"])
    assert not check_server()
    monkeypatch.setattr(checks, "get_commands", lambda: {"runserver": "django.contrib.staticfiles"})
    assert [warning.id for warning in check_server()] == ["realtime.W001"]
    monkeypatch.setattr("sys.argv", ["manage.py", "migrate"])
    assert not check_server()


@pytest.mark.parametrize("names", [[], "orders", [""], [7], None])
def test_streams_are_a_list_of_names(settings, names):
    assert told(settings, STREAMS=names)[0] == "realtime.E013"


@pytest.mark.parametrize("alias", ["west", None])
def test_a_stream_in_a_database_that_is_none(settings, alias):
    found, text = told(settings, STREAMS={"default": "default", "orders": alias})
    assert found == "realtime.E016"
    assert repr(alias) in text


@pytest.mark.parametrize("given", ["standby", {"default": "standby"}, {"nothing": "default"}])
def test_a_standby_that_is_no_database(settings, given):
    assert told(settings, REPLAY_DATABASE=given)[0] == "realtime.E015"


@pytest.mark.parametrize("path", ["nowhere.at_all", "realtime.conf.DEFAULTS", 7])
def test_the_tenant_is_said_by_a_function(settings, path):
    assert told(settings, TENANT=path)[0] == "realtime.E014"


def test_with_tenants_it_wants_to_know_which_one(settings, monkeypatch):
    monkeypatch.setattr(apps, "is_installed", lambda name: name == "django_tenants")
    assert told(settings)[0] == "realtime.W002"
    assert told(settings, TENANT="realtime.conf.get")[0] == "realtime.W003"
    context = "contextlib.nullcontext"
    settings.REALTIME = {"TENANT": "realtime.conf.get", "TENANT_CONTEXT": context}
    assert check_settings() == []
