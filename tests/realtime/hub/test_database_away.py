"""The database goes away and comes back, under a real server and real clients."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import httpx
import psycopg
import pytest
from httpx_sse import connect_sse

from config.demo.accounts import PASSWORD
from realtime import health
from realtime.conf import DEFAULTS
from realtime.postgres.explanations import READ_ONLY, TOO_MANY_CONNECTIONS
from tests.clients import STREAM, WAIT_SECONDS, bearer, open_stream, signed_in
from tests.servers import ServerProcess, running_server
from tests.shop_cluster import user_in
from tests.storm.cluster import running_cluster
from tests.storm.proxy import running_proxy
from tests.waiting import wait_until

DATABASE = "postgres"
SETTINGS = "tests.realtime.forgetful"
INSERT = """
    INSERT INTO realtime_outbox (stream, topic, type, data)
    SELECT 'default', 'auth.user:' || id, 'orders', %s FROM auth_user WHERE username = 'alice'
"""
PLACED = json.dumps(
    {
        "order": 1,
        "status": "placed",
        "product": "Teapot",
        "quantity": 1,
        "total": "12.50",
        "customer": "alice",
        "placed_at": "2026-01-01T12:00:00Z",
    }
)
HEAL_SECONDS = 20
# More requests than there are threads for them; each waits for the database.
WAITING = 2 * DEFAULTS["REQUEST_THREADS"]


@pytest.fixture(scope="module")
def cluster(shop_files, tmp_path_factory):
    """A PostgreSQL that only these tests use, with the demo accounts."""
    folder = tmp_path_factory.mktemp("away") / "cluster"
    with running_cluster(folder, files=shop_files) as cluster:
        yield cluster


@contextmanager
def server_on(url):
    # As short as libpq lets it be: a dozen requests come to wait for it, four at a time.
    url = f"{url}?connect_timeout=2"
    with running_server("daphne", DATABASE_URL=url, DJANGO_SETTINGS_MODULE=SETTINGS) as server:
        yield server


@pytest.fixture(scope="module")
def token(cluster):
    """Alice's header."""
    return bearer(user_in(cluster, "alice"))


@pytest.fixture(scope="module")
def shared(cluster) -> Iterator[ServerProcess]:
    """For the tests that leave it as they found it."""
    with server_on(cluster.url(DATABASE)) as server:
        yield server


@pytest.fixture(scope="module")
def session(shared) -> dict[str, str]:
    """Alice's cookies."""
    with signed_in(shared, "alice", PASSWORD) as browser:
        return dict(browser.cookies)


@pytest.fixture
def running(cluster):
    """The cluster runs, whatever the test before has done to it."""
    if not cluster.is_running:
        cluster.start()
    return cluster


@pytest.fixture
def server(running, shared) -> ServerProcess:
    """One that is ready, and has printed nothing yet."""
    until_readiness(shared, READY)
    shared.output.clear()
    return shared


@pytest.fixture
def alice(session) -> Iterator[httpx.Client]:
    """A browser in which she has signed in."""
    with httpx.Client(cookies=session, timeout=WAIT_SECONDS) as browser:
        yield browser


def place_without_a_hint(cluster):
    """An order of Alice's, as by a process that ended between its commit and its hint."""
    with cluster.connect(DATABASE) as connection:
        connection.execute(INSERT, [PLACED])


def is_alive(server):
    return httpx.get(f"{server.url}/healthz", timeout=1).status_code == 200


def readiness(server):
    """Status and reason, given within the second in which a probe wants them."""
    response = httpx.get(f"{server.url}/readyz", timeout=1.5)
    return response.status_code, response.json().get("reason")


def until_readiness(server, *wanted, seconds=HEAL_SECONDS):
    wait_until(
        lambda: readiness(server) in wanted,
        seconds,
        otherwise=lambda: f"{readiness(server)} is not {wanted}:\n{''.join(server.output)}",
    )


READY = (200, None)
NOT_REACHED = (503, health.NOT_REACHED)
NO_ANSWER = (503, health.NO_ANSWER)


def assert_asked_to_come_back(server, client, **headers):
    answer = client.get(server.url + STREAM, headers=headers)
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) > 0
    # EventSource would give up for good.
    with connect_sse(client, "GET", server.url + STREAM, headers=headers) as source:
        assert source.response.status_code == 200
        [block] = source.iter_sse()
        assert block.retry >= 1000
        assert not block.data


class Lines:
    """The lines of an open stream. Each has to come soon, for there is a heartbeat a second."""

    def __init__(self, response):
        self.seen = []
        self._lines = response.iter_lines()

    def heartbeats(self, count):
        """Read on until so many more have come."""
        for _ in range(count):
            self.until("event: heartbeat")

    def until(self, line):
        self.seen.append(next(self._lines))
        while self.seen[-1] != line:
            self.seen.append(next(self._lines))

    @property
    def last_id(self):
        """The cursor of a client that has read so far."""
        *_, last = (line for line in self.seen if line.startswith("id: "))
        return last.removeprefix("id: ")


@contextmanager
def open_lines(server, client):
    client.timeout = 4
    with connect_sse(client, "GET", server.url + STREAM) as source:
        lines = Lines(source.response)
        lines.until("")
        yield lines


def said(server):
    """What the server has printed, but for the lines about each request."""
    about_requests = (" - - [", "Service Unavailable: ")
    return [line for line in server.output if not any(text in line for text in about_requests)]


def assert_no_traceback(server):
    assert not any("Traceback" in line for line in server.output), "".join(server.output)


def test_when_the_database_goes_away_streams_stay_and_all_heals_by_itself(
    running, server, alice, token
):
    with (
        open_lines(server, alice) as lines,
        httpx.Client(timeout=WAIT_SECONDS) as program,
    ):
        seen = lines.last_id
        running.crash()
        until_readiness(server, NOT_REACHED)
        assert is_alive(server)
        assert_asked_to_come_back(server, alice)
        assert_asked_to_come_back(server, program, **token)
        lines.heartbeats(4)  # by then each connection has been tried five times
        assert readiness(server) == NOT_REACHED
        # Two connections were lost and could not be made again, each said once. And the guard, and
        # the look whether anything can be written, while it shuts down and when it is gone.
        assert len(said(server)) <= 7, server.output

        running.start()
        place_without_a_hint(running)
        lines.until(f"data: {PLACED}")
        until_readiness(server, READY)
        assert not any(line.startswith("event: reset") for line in lines.seen)
        with open_stream(server, client=program, cursor=seen, **token) as stream:
            assert stream.next_event().data == PLACED
        server.wait_for_output("Connected again, to listen for new events.")
        server.wait_for_output("Connected again, to number and read new events.")
        assert_no_traceback(server)


def test_a_site_starts_without_its_database_and_serves_when_it_is_there(running, token):
    running.stop()
    with (
        server_on(running.url(DATABASE)) as server,
        httpx.Client(timeout=WAIT_SECONDS) as client,
    ):
        until_readiness(server, NOT_REACHED)
        assert is_alive(server)
        assert_asked_to_come_back(server, client)
        running.start()
        until_readiness(server, READY)
        with open_stream(server, client=client, **token) as stream:
            place_without_a_hint(running)
            assert stream.next_event().data == PLACED
        assert_no_traceback(server)


def test_a_database_that_hangs_is_noticed_and_holds_up_no_probe(running, session, token):
    """Packets are dropped without a word: the worst way to go."""
    with (
        running_proxy(running.port) as proxy,
        server_on(running.url(DATABASE, proxy.port)) as server,
        httpx.Client(cookies=session, timeout=WAIT_SECONDS) as alice,
        open_lines(server, alice) as lines,
        httpx.Client(timeout=60) as program,
        ThreadPoolExecutor(WAITING) as crowd,
    ):
        until_readiness(server, READY)
        proxy.cut()
        waiting = [
            crowd.submit(program.get, server.url + STREAM, headers=token) for _ in range(WAITING)
        ]
        until_readiness(server, NO_ANSWER, NOT_REACHED, seconds=3)
        assert is_alive(server)
        assert {answer.result().status_code for answer in waiting} == {503}
        lines.heartbeats(3)
        # Once it is known nobody waits for it any more, and no thread does.
        until_readiness(server, NOT_REACHED)
        program.timeout = 1
        assert_asked_to_come_back(server, program, **token)

        proxy.heal()
        place_without_a_hint(running)
        lines.until(f"data: {PLACED}")
        until_readiness(server, READY)
        assert_opens(server, alice)
        assert not any(line.startswith("event: reset") for line in lines.seen)
        assert_no_traceback(server)


def test_a_database_without_a_free_connection_is_told_and_what_waits_comes_later(
    running, server, alice
):
    """The hub's own connections live on; but nobody who would place an order gets one."""
    with open_lines(server, alice) as lines:
        with ExitStack() as taken:
            last = taken.enter_context(running.connect(DATABASE))
            with suppress(psycopg.OperationalError):
                while True:
                    taken.enter_context(running.connect(DATABASE))
            until_readiness(server, (503, TOO_MANY_CONNECTIONS))
            server.wait_for_output(TOO_MANY_CONNECTIONS)
            last.execute(INSERT, [PLACED])
            lines.until(f"data: {PLACED}")
        until_readiness(server, READY)
        server.wait_for_output("The database takes writes again.")
        assert_no_traceback(server)


def test_a_database_that_takes_no_writes_is_told_and_what_waits_comes_later(running, server, alice):
    with (
        open_lines(server, alice) as lines,
        running.connect(DATABASE) as administrator,
    ):
        administrator.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        try:
            administrator.execute("SELECT pg_reload_conf()")
            until_readiness(server, (503, READ_ONLY))
            server.wait_for_output(READ_ONLY)
            administrator.execute("SET default_transaction_read_only = off")
            administrator.execute(INSERT, [PLACED])
            lines.heartbeats(2)
            assert f"data: {PLACED}" not in lines.seen
        finally:
            administrator.execute("SET default_transaction_read_only = off")
            administrator.execute("ALTER SYSTEM RESET default_transaction_read_only")
            administrator.execute("SELECT pg_reload_conf()")
        lines.until(f"data: {PLACED}")
        until_readiness(server, READY)
        assert_no_traceback(server)


def assert_opens(server, client):
    with open_lines(server, client):
        pass
