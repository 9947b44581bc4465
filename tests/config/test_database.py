import pytest
from django.core.exceptions import ImproperlyConfigured

from config import database


def test_a_url_becomes_djangos_settings():
    settings = database.from_url(
        "postgresql://alice:p%40ss@db.example.com:6432/shop?sslmode=require"
    )
    assert settings == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "shop",
        "USER": "alice",
        "PASSWORD": "p@ss",
        "HOST": "db.example.com",
        "PORT": "6432",
        "OPTIONS": {"sslmode": "require", **database.NOTICE_DEATH},
    }


@pytest.mark.parametrize(
    "url", ["postgresql:///shop?host=/run/postgresql", "dbname=shop host=/run/postgresql"]
)
def test_a_socket_is_a_host(url):
    settings = database.from_url(url)
    assert (settings["NAME"], settings["HOST"]) == ("shop", "/run/postgresql")


@pytest.mark.parametrize(
    "url",
    [
        "mysql://alice:hunter2@localhost/shop",
        "postgresql://alice:hunter2@[localhost/shop",
        "postgresql://alice:hunter2%zz@localhost/shop",
        "postgresql://alice:hunter2@localhost/shop?hunter2=1",
        "hunter2",
        "postgresql://alice:hunter2@localhost",
    ],
)
def test_a_bad_url_is_refused_without_showing_its_password(url):
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL") as refusal:
        database.from_url(url)
    assert "hunter2" not in str(refusal.value)
    # A traceback shows these too.
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None
