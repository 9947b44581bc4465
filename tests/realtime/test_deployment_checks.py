"""`manage.py check --deploy`: what production would miss."""

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.checks import run_checks

from realtime import asgi

pytestmark = pytest.mark.django_db

PLAIN = "django.contrib.staticfiles.storage.StaticFilesStorage"
MANIFEST = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
HASHED = "config.storage.HashedStaticFiles"


def found():
    problems = run_checks(tags=["realtime"], include_deployment_checks=True)
    return {problem.id for problem in problems}


@pytest.fixture
def static_files(settings):
    def use(backend):
        settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": backend}}

    use(HASHED)
    return use


def test_a_site_that_lacks_nothing_is_told_nothing(static_files):
    assert found() == set()


def test_no_asgi_application(static_files, settings):
    settings.ASGI_APPLICATION = None
    assert found() == {"realtime.W101"}


def test_an_application_that_is_not_wrapped(static_files, settings, monkeypatch):
    monkeypatch.setattr(asgi, "_is_used", False)
    settings.ASGI_APPLICATION = "tests.realtime.test_deployment_checks.unwrapped"
    assert found() == {"realtime.W102"}


def test_an_application_that_can_not_be_imported(static_files, settings):
    settings.ASGI_APPLICATION = "nowhere.asgi.application"
    assert found() == {"realtime.W102"}


@pytest.mark.parametrize("server", ["granian", "hypercorn"])
def test_a_server_under_which_a_promise_is_not_kept(static_files, monkeypatch, server):
    monkeypatch.setattr("realtime.deployment_checks.find_spec", lambda name: name == server or None)
    assert found() == {"realtime.W108"}
    monkeypatch.setattr(
        "realtime.deployment_checks.find_spec", lambda name: name in (server, "daphne")
    )
    assert found() == set()


unwrapped = object()


def test_a_log_that_nobody_prunes(static_files, settings):
    settings.REALTIME = {**settings.REALTIME, "RETENTION": {}}
    assert found() == {"realtime.W103"}


def test_a_pooler_without_a_direct_way(static_files, settings, pooled):
    assert found() == {"realtime.W104"}
    settings.REALTIME = {**settings.REALTIME, "LISTEN_URL": "postgresql:///shop"}
    assert found() == set()


@pytest.fixture
def pooled(monkeypatch):
    """As PgBouncer does: another process id than the server's own."""
    from django.db import connection

    connection.ensure_connection()
    monkeypatch.setattr(type(connection.connection.info), "backend_pid", 1)


@pytest.mark.parametrize(
    ("backend", "problem"), [(PLAIN, "realtime.W105"), (MANIFEST, "realtime.W106")]
)
def test_static_files_under_names_that_stay(static_files, backend, problem):
    static_files(backend)
    assert found() == {problem}
    assert staticfiles_storage is not None


@pytest.mark.parametrize(
    "retention",
    [
        "90d",
        {"orders": 90},
        {"orders": "90 days"},
        {"orders": {"import": 5}},
        {"orders": {"import": "8w", "*": "1w"}},
    ],
    ids=str,
)
def test_a_retention_that_makes_no_sense(static_files, settings, retention):
    settings.REALTIME = {**settings.REALTIME, "RETENTION": retention}
    assert "realtime.E012" in found()
