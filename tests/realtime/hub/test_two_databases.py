"""Streams in two databases, on two servers, told of by one process."""

import os
import subprocess
import sys
from contextlib import contextmanager

import httpx
import pytest

from config.demo.accounts import PASSWORD
from tests.clients import open_stream, token
from tests.servers import ROOT, running_server
from tests.storm.cluster import running_cluster
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

SETTINGS = "tests.storm.settings_of_two"
DATABASE = "postgres"
METRICS = {"Authorization": "Bearer t"}
# What a project does: its default database is that of the stream.
PUBLISH = """
from django.contrib.auth import get_user_model
import realtime
alice = get_user_model().objects.get(username="alice")
for data in {data!r}:
    realtime.publish(to=alice, type="orders", data=data, stream={stream!r})
print(realtime.current_cursor({stream!r}).position)
"""


class Site:
    def __init__(self, folder, home, west):
        self.home, self.west = home, west
        self.environment = {
            "DATABASE_URL": home.url(DATABASE),
            "WEST_DATABASE_URL": west.url(DATABASE),
            "DJANGO_SETTINGS_MODULE": SETTINGS,
            "REALTIME_METRICS_TOKEN": "t",
        }

    def command(self, *arguments):
        return subprocess.run(
            [sys.executable, "manage.py", *arguments, "--verbosity=0"],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout

    def publish(self, stream, *data):
        """Publish to alice as a project would; the position of the last of them."""
        return int(self.command("shell", "-c", PUBLISH.format(data=data, stream=stream)))

    @contextmanager
    def running(self):
        with running_server("daphne", **self.environment) as server:
            yield server


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clusters")
    with running_cluster(folder / "home") as home, running_cluster(folder / "west") as west:
        site = Site(folder, home, west)
        site.command("migrate")
        site.command("demo_accounts")
        site.command("migrate", "realtime", "--database=west")
        yield site


def events(cluster):
    with cluster.connect(DATABASE) as session:
        query = "SELECT stream, data FROM realtime_event ORDER BY stream, position"
        return session.execute(query).fetchall()


def ready(server):
    answer = httpx.get(f"{server.url}/readyz", timeout=10)
    return answer.status_code, answer.json()


def test_one_process_tells_of_both_and_one_that_is_away_stops_its_own_streams_only(processes, site):
    with site.running() as server:
        headers = token(server, "alice", PASSWORD)
        with (
            open_stream(server, **headers) as home,
            open_stream(server, path="/west/", **headers) as west,
        ):
            assert site.publish("default", "a") == 1
            assert site.publish("west-orders", "b", "c") == 2
            assert home.next_event().data == '"a"'
            assert [west.next_event().data for _ in range(2)] == ['"b"', '"c"']
            # Each where the rows are that it tells of.
            assert events(site.home) == [("default", '"a"')]
            assert events(site.west) == [("west-orders", '"b"'), ("west-orders", '"c"')]

            site.west.crash()
            status, told = wait_until(
                lambda: found if (found := ready(server))[1]["databases"]["west"]["reason"] else ()
            )
            assert status == 200
            assert told["listener"] == "listening"
            site.publish("default", "d")
            assert home.next_event().data == '"d"'
            metrics = httpx.get(f"{server.url}/metrics", headers=METRICS).text
            assert 'realtime_hub_connected{database="default"} 1.0' in metrics
            assert 'realtime_hub_connected{database="west"} 0.0' in metrics
            refused = httpx.get(f"{server.url}/west/", headers={**headers, "Accept": "*/*"})
            assert refused.status_code == 503
            with open_stream(server, **headers):
                pass

            site.west.start()
            # Its stream has stayed open.
            site.publish("west-orders", "e")
            assert west.next_event().data == '"e"'
            wait_until(lambda: not ready(server)[1]["databases"]["west"]["reason"])

            # The other way round: who may read is verified where the users are.
            site.home.crash()
            wait_until(lambda: ready(server)[0] == 503)
            with site.west.connect(DATABASE) as session:
                session.execute(
                    "INSERT INTO realtime_outbox (stream, topic, type, data) SELECT stream, topic, "
                    "type, '\"f\"' FROM realtime_event LIMIT 1"
                )
            assert west.next_event().data == '"f"'
            site.home.start()


def test_pruning_goes_to_the_database_of_the_stream(processes, site):
    before = site.publish("west-orders", "old", "older", "kept")
    told = site.command("prune_events", "--keep=1", "--stream=west-orders")
    assert told.startswith("west-orders: pruned ")
    assert events(site.west) == [("west-orders", '"kept"')]
    with site.west.connect(DATABASE) as session:
        row = session.execute("SELECT name, pruned_through FROM realtime_stream").fetchall()
    assert row == [("west-orders", before - 1)]
    with site.home.connect(DATABASE) as session:
        [left] = session.execute(
            "SELECT count(*) FROM realtime_stream WHERE name LIKE 'west%'"
        ).fetchone()
    assert left == 0


def test_who_forgets_the_tables_is_told_where_to_make_them(processes, site):
    with site.west.connect(DATABASE) as session:
        session.execute("ALTER TABLE realtime_outbox RENAME TO gone")
    try:
        told = subprocess.run(
            [sys.executable, "manage.py", "check", "--deploy"],
            cwd=ROOT,
            env={**os.environ, **site.environment},
            stderr=subprocess.PIPE,
            text=True,
        ).stderr
        assert "manage.py migrate realtime --database=west" in told
    finally:
        with site.west.connect(DATABASE) as session:
            session.execute("ALTER TABLE gone RENAME TO realtime_outbox")
