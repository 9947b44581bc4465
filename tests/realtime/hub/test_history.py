"""The log goes back, and everybody who has seen more is told, however it came about.

Two servers on a PostgreSQL of their own. Clients have seen the events up to 6; then the log is one
that has 3 of them, or none, and others take their positions. The second server finds its database
again after that only: what it has in memory is as long as the log is by then.
"""

import shutil
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from config.demo.accounts import PASSWORD
from tests.clients import WAIT_SECONDS, open_stream
from tests.servers import running_server
from tests.storm.cluster import copy_files, running_cluster
from tests.storm.proxy import running_proxy

DATABASE = "postgres"
TABLES = ("realtime_event", "realtime_stream", "realtime_outbox")
INSERT = """
    INSERT INTO realtime_outbox (stream, topic, type, data)
    SELECT 'default', 'auth.user:' || id, 'orders', %s FROM auth_user WHERE username = 'alice'
"""
NUMBER = "SELECT last_position FROM realtime_number_events('default', 100, 0, NULL)"


class Truncated:
    """What `TRUNCATE` leaves, and `manage.py flush`."""

    kept = 0

    def remember(self, cluster):
        pass

    def go_back(self, cluster):
        execute(cluster, f"TRUNCATE {', '.join(TABLES)} RESTART IDENTITY")


class Dumped:
    """A dump is put back."""

    kept = 3

    def remember(self, cluster):
        self._file = str(cluster.data.parent / "dump")
        tables = [f"--table={table}" for table in TABLES]
        cluster.run(
            "pg_dump", f"--dbname={cluster.url(DATABASE)}", "-Fc", *tables, f"--file={self._file}"
        )

    def go_back(self, cluster):
        execute(cluster, f"TRUNCATE {', '.join(TABLES)}")
        cluster.run(*("pg_restore", f"--dbname={cluster.url(DATABASE)}", "--data-only", self._file))


class Copied:
    """The files of the server, copied while it was stopped, are put back: it is the same system
    on the same timeline.
    """

    kept = 3

    def remember(self, cluster):
        self._copy = cluster.data.parent / "copy"
        cluster.shut_down()
        copy_files(cluster.data, self._copy)
        cluster.start()

    def go_back(self, cluster):
        cluster.shut_down()
        shutil.rmtree(cluster.data)
        self._copy.rename(cluster.data)
        cluster.start()


class Promoted:
    """An asynchronous standby is promoted that lacks the last commits."""

    kept = 3

    def remember(self, cluster):
        self._standby = cluster.data.parent / "standby"
        # It has streamed so far, and then its network was cut.
        cluster.run(
            *("pg_basebackup", f"--dbname={cluster.url(DATABASE)}"),
            *("-D", str(self._standby), "-R", "--checkpoint=fast"),
        )

    def go_back(self, cluster):
        cluster.crash()
        shutil.rmtree(cluster.data)
        self._standby.rename(cluster.data)
        cluster.start()
        execute(cluster, "SELECT pg_promote()")


def execute(cluster, statement, *parameters):
    with cluster.connect(DATABASE) as session:
        cursor = session.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


def publish(cluster, *data):
    """Without a hint; they are numbered at once. The position of the last of them."""
    for one in data:
        execute(cluster, INSERT, f'"{one}"')
    execute(cluster, NUMBER)  # unless a server that looks into the tables just now has done it
    return execute(cluster, "SELECT position FROM realtime_stream WHERE name = 'default'")[0][0]


@pytest.fixture
def cluster(shop_files, tmp_path):
    with running_cluster(tmp_path / "cluster", files=shop_files) as cluster:
        yield cluster


@contextmanager
def server_behind_a_proxy(cluster):
    with (
        running_proxy(cluster.port) as proxy,
        running_server(
            "daphne",
            DATABASE_URL=f"{cluster.url(DATABASE, proxy.port)}?connect_timeout=2",
            DJANGO_SETTINGS_MODULE="tests.storm.settings",
        ) as server,
    ):
        yield server, proxy


@pytest.mark.parametrize("way", [Truncated, Dumped, Copied, Promoted])
def test_whoever_has_seen_more_is_told_and_nobody_else(cluster, way):
    way = way()
    with ExitStack() as running:
        first, _ = running.enter_context(server_behind_a_proxy(cluster))
        second, proxy = running.enter_context(server_behind_a_proxy(cluster))
        headers = token(first)

        def stream(server, cursor=None):
            return running.enter_context(open_stream(server, cursor=cursor, **headers))

        publish(cluster, "a", "b", "c")
        open_ones = [stream(server, cursor="0") for server in (first, second)]
        seen = [[told(one) for _ in range(3)] for one in open_ones]
        way.remember(cluster)
        publish(cluster, "lost", "lost", "lost")
        for events, one in zip(seen, open_ones, strict=True):
            events += [told(one) for _ in range(3)]
        assert seen[0] == seen[1]
        [*_, (kept, _), _, _, (last, _)] = seen[0]
        assert position(last) == 6

        proxy.cut()
        way.go_back(cluster)
        # As many as were lost and two more: the log is longer than what anybody has seen.
        new = [f"new {number}" for number in range(6 - way.kept + 2)]
        assert publish(cluster, *new) == 8
        proxy.heal()

        for server, one in zip((first, second), open_ones, strict=True):
            # Whoever looks while they are being published goes on from there.
            reset, data = told(one)
            reached = position(reset)
            assert reached == 8 or server is first
            assert data == f'{{"reason":"history","position":{reached}}}', server.output
            assert [told(one)[1] for _ in range(8 - reached)] == [
                f'"{text}"' for text in new[len(new) - (8 - reached) :]
            ]
            reset, data = told(stream(server, cursor=last))
            assert data == '{"reason":"history","position":8}'
            everything = stream(server, cursor="0")
            old = ['"a"', '"b"', '"c"'][: way.kept]
            assert [told(everything)[1] for _ in range(8)] == old + [f'"{one}"' for one in new]
            if way.kept:
                unharmed = stream(server, cursor=kept)
                assert [told(unharmed)[1] for _ in new] == [f'"{one}"' for one in new]
            else:
                assert "history" in told(stream(server, cursor=kept))[1]
        publish(cluster, "live")
        assert [told(one)[1] for one in open_ones] == ['"live"', '"live"']


def position(event_id):
    return int(event_id.partition("-")[0])


def told(stream):
    """Id and data of the next event."""
    event = stream.next_event()
    return event.id, event.data


def token(server):
    body = {"username": "alice", "password": PASSWORD}
    answer = httpx.post(f"{server.url}/api/token/", json=body, timeout=WAIT_SECONDS)
    return {"Authorization": f"Bearer {answer.json()['access']}"}
