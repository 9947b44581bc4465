"""`manage.py load_test`, on a real server."""

import os
import signal
import subprocess
import sys
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from orders.models import Order
from realtime.models import Event, OutboxEvent

from ..servers import ROOT, START_SECONDS, ServerProcess, database_url, free_port


@pytest.fixture
def server(transactional_db, shared_daphne) -> ServerProcess:
    return shared_daphne.running()


def load_test(**options) -> str:
    output = StringIO()
    call_command("load_test", stdout=output, **options)
    return output.getvalue()


def row(table: str, name: str) -> str:
    [line] = [line for line in table.splitlines() if line.strip().startswith(name)]
    return line.strip().removeprefix(name).strip()


@pytest.mark.parametrize(("scope", "deliveries"), [("own", "10"), ("all", "70")])
def test_it_counts_each_delivery_and_loses_none(server, scope, deliveries):
    table = load_test(url=server.url, streams=7, scope=scope, orders_per_second=20, seconds=0.5)

    assert row(table, "streams opened") == "7"
    assert row(table, "orders placed") == "10"
    assert row(table, "deliveries") == deliveries
    assert row(table, "lost") == row(table, "came twice") == "0"
    assert row(table, "p99").endswith(" ms")


def test_it_cleans_up_after_itself(server, alice):
    theirs = Order.objects.create(customer=alice, product="Cups", quantity=1, unit_price=1)

    load_test(url=server.url, streams=3, orders_per_second=10, seconds=0.3)

    assert list(Order.objects.all()) == [theirs]
    assert list(get_user_model().objects.all()) == [alice]


def test_it_cleans_up_after_ctrl_c(server):
    command = [sys.executable, "manage.py", "load_test", "--url", server.url, "--seconds", "600"]
    run = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url(), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with run:
        assert any(" 1 s: " in line for line in run.stdout)
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=START_SECONDS)

    assert not Order.objects.exists()
    assert not get_user_model().objects.exists()


def test_it_fails_when_deliveries_are_lost(server, monkeypatch):
    """As on a server that has another database: what is placed here never arrives there."""
    monkeypatch.setattr("tools.management.commands.load_test.LAST_SECONDS", 0.2)
    monkeypatch.setattr("orders.models.publish_orders", lambda orders, using: None)

    with pytest.raises(CommandError, match=r"2 deliveries were lost.* use this database"):
        load_test(url=server.url, streams=2, orders_per_second=10, seconds=0.2)


def test_it_says_why_its_streams_were_refused(server, monkeypatch):
    """As by a server that has another key."""
    monkeypatch.setattr(
        "tools.management.commands.load_test._token", lambda person, seconds: "of another key"
    )

    with pytest.raises(CommandError, match=r"401.*DJANGO_SECRET_KEY"):
        load_test(url=server.url, streams=2, orders_per_second=10, seconds=0.2)

    assert not Order.objects.exists()


def test_it_does_nothing_to_production_unasked(db, settings):
    settings.PRODUCTION = True
    before = Event.objects.count()

    with pytest.raises(CommandError, match="--yes-on-production"):
        load_test(url="http://127.0.0.1:9")

    assert not OutboxEvent.objects.exists()
    assert Event.objects.count() == before
    assert not get_user_model().objects.exists()


def test_without_a_server_it_says_just_that(transactional_db):
    with pytest.raises(CommandError) as error:
        load_test(url=f"http://127.0.0.1:{free_port()}", streams=2)

    assert "2 streams were not opened" in str(error.value)
    assert "DJANGO_SECRET_KEY" not in str(error.value)
