"""One command runs it: what a newcomer types, in a fresh copy of the project."""

import os
import socket
import tempfile
from pathlib import Path

import httpx
import pytest
from django.db import connection
from psycopg.conninfo import make_conninfo

from config.demo import accounts
from tests.realtime.postgres.embedded_processes import (
    kill_everything,
    postgres_of,
    removed_at_the_end,
)
from tests.servers import database_url

from .checkout import Checkout

WELCOME = accounts.accounts_text()


def assert_all_is_ready(site):
    """Its pages, the accounts and the welcome, once; and a stream for each customer."""
    for page in ("/", "/admin/", "/api/docs/"):
        assert f"{site.url}{page}\n" in site.text
    assert site.text.count(WELCOME) == 1
    assert "unapplied migration" not in site.text
    for account in accounts.ACCOUNTS:
        assert site.token(account.username, accounts.PASSWORD)


def test_it_makes_all_ready_for_an_ordinary_user_says_so_once_and_ends_within_two_seconds(
    ordinary_user,
):
    """With the autoreloader, in their own checkout."""
    with tempfile.TemporaryDirectory(dir="/tmp") as home:
        ordinary_user.owns(Path(home))
        checkout = Checkout.copy_to(Path(home) / "shop", ordinary_user)
        with removed_at_the_end(checkout.postgres), checkout.runserver() as site:
            assert_all_is_ready(site)
            assert not checkout.postgres.is_symlink()
            assert checkout.postgres.owner() != "root"
            with site.open_stream("alice") as alice, site.open_stream("bob") as bob:
                assert alice
                assert bob
                site.end_by_ctrl_c(checkout)
        assert "Traceback" not in site.text


def test_the_autoreloader_restarts_it_with_streams_open(made_checkout):
    with made_checkout.runserver() as site:
        postgres = postgres_of(made_checkout.postgres)
        with site.open_stream():
            os.utime(made_checkout.path / "config" / "urls.py")
            site.wait_until_ready(starts=2)
        with site.open_stream():
            assert site.text.count(WELCOME) == 1
            assert "took too long to shut down" not in site.text
            # The autoreloader itself has kept it running.
            assert postgres_of(made_checkout.postgres) == postgres
            site.end_by_ctrl_c(made_checkout)


def test_two_first_starts_at_the_same_time_share_one_database(checkout):
    """For whoever runs the tests, root perhaps; without the autoreloader."""
    with checkout.starting("--noreload") as one, checkout.starting("--noreload") as other:
        one.wait_until_ready()
        other.wait_until_ready()
        one.press_ctrl_c()
        one.process.wait(10)
        assert_all_is_ready(other)
        with other.open_stream("alice") as alice, other.open_stream("bob") as bob:
            assert alice
            assert bob
            other.end_by_ctrl_c(checkout)
    assert one.text.count(WELCOME) == 1
    assert "Traceback" not in one.text + other.text


def test_it_starts_again_after_a_kill_of_everything(made_checkout):
    with made_checkout.runserver("--noreload") as site:
        # All at once: without its site the supervisor would end PostgreSQL in an orderly way.
        kill_everything(made_checkout.postgres, site.pid)
        site.process.wait()
    with made_checkout.runserver("--noreload") as site:
        assert site.token("alice", accounts.PASSWORD)
        assert site.text.count(WELCOME) == 1
        site.end_by_ctrl_c(made_checkout)


def test_a_port_in_use_is_said_and_nothing_is_started(checkout):
    with socket.create_server(("127.0.0.1", 0)) as occupant:
        port = occupant.getsockname()[1]
        status, output = checkout.manage("runserver", str(port))
    assert status == 1
    assert f"Can't listen on 127.0.0.1:{port}: Address already in use." in output
    assert f"manage.py runserver {port + 1}" in output
    assert not checkout.postgres.exists()


def test_a_database_that_cant_be_reached_is_one_sentence_and_no_welcome(checkout):
    # Nobody listens where a socket was that is closed now.
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    status, output = checkout.manage(
        "runserver", "0", DATABASE_URL=f"postgresql://shop:secret@127.0.0.1:{port}/shop"
    )
    assert status == 1
    [line] = output.splitlines()
    assert "The database 'shop' of DATABASE_URL can't be reached: " in line
    assert "Connection refused" in line
    assert "correct DATABASE_URL" in line
    assert "secret" not in line


@pytest.mark.django_db(transaction=True)
def test_a_database_that_isnt_migrated_is_one_sentence_and_no_welcome(checkout):
    with connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE never_migrated")
    try:
        url = make_conninfo(database_url(), dbname="never_migrated")
        status, output = checkout.manage("runserver", "0", DATABASE_URL=url)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP DATABASE never_migrated WITH (FORCE)")
    assert status == 1
    [line] = output.splitlines()
    assert "The database 'never_migrated' is not up to date: it lacks" in line
    assert line.endswith("Run: manage.py migrate")


def test_each_event_is_a_line_in_the_terminal_and_no_static_file_is(made_checkout):
    with made_checkout.runserver("--noreload") as site:
        headers = {"Authorization": f"Bearer {site.token('alice', accounts.PASSWORD)}"}
        tea = {"product": "Tea", "quantity": 1, "unit_price": "2.50"}
        with httpx.stream("GET", f"{site.url}/orders/realtime", headers=headers) as stream:
            lines = stream.iter_lines()
            assert next(lines)
            order = httpx.post(f"{site.url}/api/orders/", json=tea, headers=headers)
            assert any(line.startswith("data: {") for line in lines)
        assert order.status_code == 201
        site.wait_for_output(f"order {order.json()['id']} placed → events 1 to 2 → 1 stream, ")
        assert httpx.get(f"{site.url}/static/orders/site.css").status_code == 200
        assert httpx.get(f"{site.url}/static/orders/none.css").status_code == 404
        assert httpx.get(f"{site.url}/healthz").status_code == 200
        site.wait_for_output("/healthz 200")
        assert "/static/orders/none.css 404" in site.text
        assert "site.css" not in site.text
        site.end_by_ctrl_c(made_checkout)


def test_what_needs_no_database_starts_none(checkout):
    status, output = checkout.manage("collectstatic", "--noinput", "--verbosity", "0")
    assert (status, output) == (0, "")
    assert not checkout.postgres.exists()


@pytest.mark.django_db(transaction=True)
def test_with_database_url_it_uses_that_server_and_creates_nothing_on_it(
    checkout, django_user_model
):
    with checkout.runserver("--noreload", DATABASE_URL=database_url()) as site:
        assert f"{site.url}/admin/" in site.text
        assert WELCOME not in site.text
    assert not checkout.postgres.exists()
    assert not django_user_model.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_demo_accounts_are_created_on_ones_own_server_when_asked_for(checkout, django_user_model):
    status, output = checkout.manage("demo_accounts", DATABASE_URL=database_url())
    assert status == 0, output
    assert WELCOME in output
    assert set(django_user_model.objects.values_list("username", "is_superuser")) == {
        ("shop", True),
        ("alice", False),
        ("bob", False),
    }
