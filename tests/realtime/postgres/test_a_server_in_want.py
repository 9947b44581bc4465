"""A PostgreSQL as database administrators limit it: events are late and never lost, nobody is told
what they may no longer read, and /readyz and the log say in a sentence what is wrong.

One cluster and one server process for all, which is found well again after each test.
"""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import psycopg
import pytest

from config.demo.accounts import PASSWORD
from realtime.postgres.explanations import BY_SQLSTATE, READ_ONLY, REFUSED, TOO_MANY_CONNECTIONS
from tests.clients import WAIT_SECONDS, open_stream
from tests.servers import ROOT, running_server
from tests.storm.cluster import running_cluster
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

DATABASE = "postgres"
# Few enough to be taken one and all; three of them are kept for superusers.
MAX_CONNECTIONS = 30
# As in tests/storm/settings.py: how often access is looked at, and how late that may be.
CHECK_SECONDS, LATE_SECONDS, CLOCK_SECONDS = 2, 3, 1
INSERT = """
    INSERT INTO realtime_outbox (stream, topic, type, data)
    SELECT 'default', 'auth.user:' || id, 'orders', to_json(%s::text)::text
    FROM auth_user WHERE username = %s
"""
THE_SITES = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'site'"
THE_MONITORS = THE_SITES + " AND query LIKE 'SELECT \"auth_user\"%%' RETURNING 1"


class Site:
    """The cluster as its administrator sees it, and the server process that works with it."""

    def __init__(self, cluster, url, server, admin):
        self.cluster = cluster
        self.url = url
        self.server = server
        self.admin = admin
        self.tokens = {}

    def execute(self, statement, *parameters):
        cursor = self.admin.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []

    def publish(self, text, username="alice"):
        """Without a hint."""
        self.execute(INSERT, text, username)

    def readiness(self):
        response = httpx.get(f"{self.server.url}/readyz", timeout=WAIT_SECONDS)
        return response.status_code, response.json().get("reason")

    def becomes(self, *readiness):
        wait_until(lambda: self.readiness() == readiness, 20, otherwise=self.readiness)

    def header(self, username):
        if username not in self.tokens:
            answer = httpx.post(
                f"{self.server.url}/api/token/",
                json={"username": username, "password": PASSWORD},
                timeout=WAIT_SECONDS,
            )
            self.tokens[username] = f"Bearer {answer.json()['access']}"
        return {"Authorization": self.tokens[username]}

    @contextmanager
    def stream(self, username="alice", cursor=None):
        with (
            httpx.Client(timeout=30) as client,
            open_stream(self.server, client=client, cursor=cursor, **self.header(username)) as one,
        ):
            yield one

    def place_order(self):
        return httpx.post(
            f"{self.server.url}/api/orders/",
            json={"product": "Tea", "quantity": 1, "unit_price": "4.50"},
            headers=self.header("alice"),
            timeout=WAIT_SECONDS,
        )


def manage(url, *command):
    subprocess.run(
        [sys.executable, "manage.py", *command, "--verbosity=0"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        check=True,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory, processes):
    folder = tmp_path_factory.mktemp("want") / "cluster"
    with ExitStack() as running:
        cluster = running.enter_context(running_cluster(folder, max_connections=MAX_CONNECTIONS))
        admin = running.enter_context(cluster.connect(DATABASE))
        admin.execute("CREATE ROLE site LOGIN PASSWORD 'first'")
        admin.execute("GRANT ALL ON SCHEMA public TO site")
        (cluster.data / "pg_hba.conf").write_text(
            "host all site 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
        )
        admin.execute("SELECT pg_reload_conf()")
        url = cluster.url(DATABASE).replace("postgres@", "site:first@")
        manage(url, "migrate")
        manage(url, "demo_accounts")
        server = running.enter_context(
            running_server(
                "daphne", DATABASE_URL=url, DJANGO_SETTINGS_MODULE="tests.storm.settings"
            )
        )
        yield Site(cluster, url, server, admin)


@pytest.fixture(autouse=True)
def well(site):
    site.becomes(200, None)
    site.server.output.clear()
    yield
    site.becomes(200, None)


def next_data(stream):
    return stream.next_event().data


def has_logged(site, text):
    return any(text in line for line in site.server.output)


def test_a_password_that_is_refused(site):
    with site.stream() as stream:
        site.execute("ALTER ROLE site PASSWORD 'second'")
        site.execute(THE_SITES)
        site.becomes(503, REFUSED)
        site.publish("late")
        assert has_logged(site, REFUSED)
        site.execute("ALTER ROLE site PASSWORD 'first'")
        assert next_data(stream) == '"late"'


def test_a_database_that_takes_no_writes(site):
    with site.stream() as stream:
        site.execute("ALTER ROLE site SET default_transaction_read_only = on")
        site.execute(THE_SITES)
        site.publish("late")
        site.becomes(503, READ_ONLY)
        assert has_logged(site, READ_ONLY)
        site.execute("ALTER ROLE site RESET default_transaction_read_only")
        site.execute(THE_SITES)
        assert next_data(stream) == '"late"'


def test_every_time_limit_that_a_role_can_have(site):
    for name, value in {
        "idle_session_timeout": "'500ms'",
        "idle_in_transaction_session_timeout": "'500ms'",
        "lock_timeout": "'1ms'",
        "default_transaction_isolation": "serializable",
    }.items():
        site.execute(f"ALTER ROLE site SET {name} = {value}")
    site.execute(THE_SITES)
    site.becomes(200, None)
    try:
        with site.stream() as stream:
            site.server.output.clear()
            for number in range(3):
                site.publish(str(number))
                assert next_data(stream) == f'"{number}"'
                time.sleep(1)  # idle for longer than it may be
        assert not has_logged(site, "Lost the connection")
        assert site.readiness() == (200, None)
    finally:
        site.execute("ALTER ROLE site RESET ALL")
        site.execute(THE_SITES)


def test_a_log_that_is_locked_holds_up_no_checkout(site):
    """As VACUUM FULL and LOCK TABLE do; only the outbox is written to by who publishes."""
    with site.stream() as stream, site.cluster.connect(DATABASE) as other:
        with other.transaction():
            other.execute(
                "LOCK TABLE realtime_event, realtime_stream, realtime_deadletter, realtime_process"
            )
            site.publish("late")
            for _ in range(3):
                began = time.monotonic()
                assert site.place_order().status_code == 201
                # A wait would last until QUERY_SECONDS is over, and then fail.
                assert time.monotonic() - began < 5
            wait_until(lambda: site.readiness()[0] == 503, 20)
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            assert site.execute(waiting)[0][0] <= 4
        assert next_data(stream) == '"late"'
        assert [stream.next_event().event for _ in range(3)] == ["orders"] * 3
    wait_until(lambda: site.execute(waiting) == [(0,)])


@pytest.fixture
def small_disk(site):
    """A function that moves a table to a disk of 16 MB and fills that, and gives what to remove.

    The write-ahead log has room.
    """
    # Not in pytest's folder, which each run of pytest closes again to other accounts.
    disk = Path(tempfile.mkdtemp(prefix="small_disk."))
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m,mode=777", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounting.returncode:
        disk.rmdir()
        pytest.skip("this account may not mount a file system")
    moved = []

    def fill_under(table):
        moved.append(table)
        site.execute(f"ALTER TABLE {table} SET TABLESPACE small")
        ballast = disk / "ballast"
        with suppress(OSError), ballast.open("wb") as file:
            while True:
                file.write(b"x" * 4096)
                file.flush()
        return ballast

    try:
        space = disk / "space"
        space.mkdir()
        owner = site.cluster.data.stat()
        os.chown(space, owner.st_uid, owner.st_gid)
        site.execute(f"CREATE TABLESPACE small LOCATION '{space}'")
        yield fill_under
    finally:
        with suppress(psycopg.Error):
            for table in moved:
                site.execute(f"ALTER TABLE {table} SET TABLESPACE pg_default")
            site.execute("DROP TABLESPACE small")
        subprocess.run(["umount", "-l", str(disk)], check=False)
        disk.rmdir()


def test_a_disk_that_is_full_and_then_is_not(site, small_disk):
    with site.stream() as stream:
        site.publish("before")
        assert next_data(stream) == '"before"'
        ballast = small_disk("realtime_event")
        for number in range(300):  # more than the page that has room for some
            site.publish(f"{number} " + "x" * 1000)
        full = BY_SQLSTATE["53100"]
        site.becomes(503, full)
        assert has_logged(site, full)
        ballast.unlink()
        texts = [next_data(stream) for _ in range(300)]
    assert [int(text.strip('"').split()[0]) for text in texts] == list(range(300))


def test_a_disk_that_is_full_under_the_shops_table_is_not_told_by_readyz(site, small_disk):
    """What a project can't write to its own tables is in its own log: see docs/guarantees.md."""
    ballast = small_disk("orders_order")
    answers = []
    while 500 not in answers:  # after those that had room
        assert len(answers) < 200
        answers.append(site.place_order().status_code)
    assert site.readiness() == (200, None)
    wait_until(lambda: has_logged(site, "No space left on device"), 20)
    ballast.unlink()
    assert site.place_order().status_code == 201


def test_flush_ends_the_streams_of_users_who_are_gone(site):
    with site.stream("alice") as alice, site.stream("bob") as bob:
        site.publish("before")
        assert next_data(alice) == '"before"'
        time.sleep(CLOCK_SECONDS + 1)  # whoever has just come is looked at once more
        manage(site.url, "flush", "--no-input")
        began = time.monotonic()
        # What they had seen is gone, too.
        assert {text for stream in (alice, bob) for text in rest(stream)} <= {
            '{"reason":"history","position":0}'
        }
        assert time.monotonic() - began < 5
    site.tokens.clear()
    manage(site.url, "demo_accounts")
    with site.stream("alice") as alice:
        site.publish("after")
        assert next_data(alice) == '"after"'


def rest(stream):
    """What it tells until it ends."""
    while True:
        try:
            yield stream.next_event().data
        except AssertionError:
            return


@pytest.mark.parametrize("has_its_own", [True, False], ids=["kept", "lost"])
def test_who_was_deactivated_is_told_nothing_when_no_connection_is_to_be_had(site, has_its_own):
    """The hub's own connections live on. The monitor's does, or it was lost as well."""
    with ExitStack() as running:
        alice = running.enter_context(site.stream("alice"))
        other = running.enter_context(site.stream("bob"))
        site.publish("hello", "alice")
        assert next_data(alice) == '"hello"'
        time.sleep(CHECK_SECONDS + CLOCK_SECONDS)  # both are verified over the monitor's connection
        taken = take_all(site.cluster, running)
        if not has_its_own:
            assert site.execute(THE_MONITORS.replace(" RETURNING 1", ""))
            taken += take_all(site.cluster, running)
        site.becomes(503, TOO_MANY_CONNECTIONS)
        site.execute("UPDATE auth_user SET is_active = false WHERE username = 'alice'")
        time.sleep(CHECK_SECONDS + LATE_SECONDS + CLOCK_SECONDS)
        for number in range(50):
            site.publish(f"secret {number}", "alice")
        numbered = "SELECT count(*) FROM realtime_outbox"
        # The process goes on: only who may read isn't known.
        wait_until(lambda: site.execute(numbered) == [(0,)], 20)
        assert alice.ended(), "she was told something after the promised time"
        if has_its_own:
            site.publish("for the other", "bob")
            assert next_data(other) == '"for the other"'
        for connection in taken:
            connection.close()
    site.execute("UPDATE auth_user SET is_active = true WHERE username = 'alice'")


def take_all(cluster, running):
    """Connections until there are no more."""
    taken = []
    for _ in range(2 * MAX_CONNECTIONS):
        try:
            taken.append(running.enter_context(cluster.connect(DATABASE)))
        except psycopg.OperationalError:
            return taken
    raise AssertionError("There is no limit.")
