"""The log goes back, and everybody who has seen more is told, however it came about.

Two servers on a PostgreSQL of their own. Clients have seen six events; then the log is one that has
the first three of them, or none at all, and others take their positions. The second server finds
its database again after that only: what it has in memory is as long as the log is by then.

The log goes on from test to test, and the servers remember what they have told.
"""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import pytest

from realtime.log.cursor import START, Cursor
from tests.clients import bearer, open_stream
from tests.servers import ServerProcess, running_server
from tests.shop_cluster import user_in
from tests.storm.cluster import Cluster, copy_files, running_cluster
from tests.storm.proxy import Proxy, running_proxy

DATABASE = "postgres"
TABLES = ("realtime_event", "realtime_stream", "realtime_outbox")
INSERT = """
    INSERT INTO realtime_outbox (stream, topic, type, data)
    SELECT 'default', 'auth.user:' || id, 'orders', %s FROM auth_user WHERE username = 'alice'
"""
# It waits for a server that is numbering them just now.
NUMBER = "SELECT last_position FROM realtime_number_events('default', 100, 0, NULL, wait => true)"


class Truncated:
    """What `TRUNCATE` leaves, and `manage.py flush`."""

    keeps_some = False

    def remember(self, cluster):
        pass

    def go_back(self, cluster):
        execute(cluster, f"TRUNCATE {', '.join(TABLES)} RESTART IDENTITY")


class Dumped:
    """A dump is put back."""

    keeps_some = True

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

    keeps_some = True

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

    keeps_some = True

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
    with cluster.connect(DATABASE) as session:
        for one in data:
            session.execute(INSERT, [f'"{one}"'])
        session.execute(NUMBER)
    return log_end(cluster).position


def log_end(cluster):
    """The cursor of who has seen all of the log."""
    rows = execute(cluster, "SELECT position, mark FROM realtime_stream WHERE name = 'default'")
    return Cursor(*rows[0]) if rows else START


class Site(NamedTuple):
    """proxy: between the second server and the database. alice: her header."""

    cluster: Cluster
    first: ServerProcess
    second: ServerProcess
    proxy: Proxy
    alice: dict[str, str]


@pytest.fixture(scope="module")
def site(shop_files, tmp_path_factory) -> Iterator[Site]:
    with ExitStack() as running:
        folder = tmp_path_factory.mktemp("history") / "cluster"
        cluster = running.enter_context(running_cluster(folder, files=shop_files))
        proxy = running.enter_context(running_proxy(cluster.port))
        starting = [server_on(cluster, port) for port in (cluster.port, proxy.port)]
        with ThreadPoolExecutor() as threads:
            first, second = threads.map(running.enter_context, starting)
        yield Site(cluster, first, second, proxy, bearer(user_in(cluster, "alice")))


@contextmanager
def server_on(cluster, port):
    with running_server(
        "daphne",
        DATABASE_URL=f"{cluster.url(DATABASE, port)}?connect_timeout=2",
        DJANGO_SETTINGS_MODULE="tests.storm.settings",
    ) as server:
        yield server


@pytest.mark.parametrize("way", [Truncated, Dumped, Copied, Promoted])
def test_whoever_has_seen_more_is_told_and_nobody_else(site, way):
    way = way()
    cluster, servers = site.cluster, (site.first, site.second)
    with ExitStack() as running:

        def stream(server, cursor):
            return running.enter_context(open_stream(server, cursor=cursor, **site.alice))

        start = log_end(cluster)
        end = start.position + 8
        publish(cluster, "a", "b", "c")
        open_ones = [stream(server, start) for server in servers]
        seen = [[told(one) for _ in range(3)] for one in open_ones]
        way.remember(cluster)
        publish(cluster, "lost", "lost", "lost")
        for events, one in zip(seen, open_ones, strict=True):
            events += [told(one) for _ in range(3)]
        assert seen[0] == seen[1]
        [*_, (kept, _), _, _, (last, _)] = seen[0]
        assert position(last) == start.position + 6

        site.proxy.cut()
        way.go_back(cluster)
        # As many as were lost and two more: the log is longer than what anybody has seen.
        lost = 3 if way.keeps_some else start.position + 6
        new = [f"new {number}" for number in range(lost + 2)]
        assert publish(cluster, *new) == end
        site.proxy.heal()

        for server, one in zip(servers, open_ones, strict=True):
            # Whoever looks while they are being published goes on from there.
            reset, data = told(one)
            reached = position(reset)
            assert reached == end or server is site.first
            assert data == f'{{"reason":"history","position":{reached}}}', server.output
            missing = new[len(new) - (end - reached) :]
            assert [told(one)[1] for _ in missing] == [f'"{text}"' for text in missing]
            reset, data = told(stream(server, last))
            assert data == f'{{"reason":"history","position":{end}}}'
            new_ones = [f'"{text}"' for text in new]
            if way.keeps_some:
                everything = stream(server, start)
                assert [told(everything)[1] for _ in range(8)] == ['"a"', '"b"', '"c"', *new_ones]
                unharmed = stream(server, kept)
                assert [told(unharmed)[1] for _ in new] == new_ones
            else:
                everything = stream(server, START)
                assert [told(everything)[1] for _ in new] == new_ones
                assert "history" in told(stream(server, kept))[1]
        publish(cluster, "live")
        assert [told(one)[1] for one in open_ones] == ['"live"', '"live"']


def position(event_id):
    return int(event_id.partition("-")[0])


def told(stream):
    """Id and data of the next event."""
    event = stream.next_event()
    return event.id, event.data
