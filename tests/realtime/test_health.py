"""What a process says of itself. With the database away: see test_database_away.py."""

import asyncio
from datetime import timedelta

import httpx
import psutil
import pytest
from django.test import AsyncClient
from django.utils.dateparse import parse_datetime

from realtime import health
from realtime.hub.hub import Hub
from tests.servers import database_url, running_server
from tests.waiting import soon, until

LIVE, READY = "/healthz", "/readyz"


@pytest.fixture
def http():
    return AsyncClient()


async def listening(hub):
    await until(lambda: hub.home.state.listening_since is not None)


async def test_a_process_that_answers_is_alive(http):
    response = await http.get(LIVE)
    assert response.status_code == 200
    assert response.json() == {"status": "alive"}
    assert response["Cache-Control"] == "no-store"


async def test_it_is_ready_when_the_database_answers(http, hub):
    await listening(hub)
    response = await http.get(READY)
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    said = response.json()
    assert said["status"] == "ready"
    assert said["listener"] == "listening"
    since = parse_datetime(said["listening_since"])
    assert abs(since - hub.home.state.listening_since) < timedelta(milliseconds=1)
    assert said["lag_seconds"] == 0
    assert said["seconds_since_answer"] < 1


async def test_its_lag_is_the_age_of_what_nobody_numbers(http, hub, elsewhere):
    """While another process holds the stream's lock, or is at work on a long import."""
    session, other = elsewhere(), elsewhere()
    session.execute("INSERT INTO realtime_stream (name, position, pruned_through) VALUES ('s',0,0)")
    with other.transaction():
        other.execute("SELECT FROM realtime_stream WHERE name = 's' FOR NO KEY UPDATE")
        session.execute(
            "INSERT INTO realtime_outbox (stream, topic, type, data, created_at) "
            "VALUES ('s', '7', 'orders', '1', now() - interval '1 minute')"
        )
        response = await http.get(READY)
        assert response.status_code == 200
        assert 60 <= response.json()["lag_seconds"] < 70
    assert (await http.get(READY)).json()["lag_seconds"] == 0


async def test_all_who_ask_at_once_share_one_look(http, hub, monkeypatch):
    await listening(hub)
    await http.get(READY)
    turns = []
    turn = hub.home._turn

    async def counted(connection):
        turns.append(connection)
        await turn(connection)

    monkeypatch.setattr(hub.home, "_turn", counted)
    responses = await soon(asyncio.gather(*(hub.home.measure_lag(seconds=5) for _ in range(50))))
    assert responses == [0] * 50
    assert len(turns) <= 2


async def test_a_process_that_is_about_to_end_is_not_ready(http, hub):
    await hub.drain(0)
    response = await http.get(READY)
    assert response.status_code == 503
    assert response.json()["reason"] == health.DRAINING
    assert (await http.get(LIVE)).status_code == 200


async def test_a_deaf_listener_is_told_and_keeps_nobody_away(http, hub, settings, monkeypatch):
    """It names another database, as in test_hub.py."""
    await Hub.close_current()
    settings.REALTIME = {**settings.REALTIME, "LISTEN_URL": database_url(dbname="postgres")}
    monkeypatch.setattr("realtime.postgres.listener.PROBE_SECONDS", 0.1)
    await until(lambda: Hub.current().home.state.is_deaf)
    response = await http.get(READY)
    assert response.status_code == 200
    assert response.json()["listener"] == "deaf"
    assert response.json()["listening_since"] is None


async def test_a_hub_that_is_busy_is_ready(http, hub, monkeypatch):
    """With a long import: it gets answer after answer, and has no time to measure."""
    await listening(hub)

    async def import_orders(connection):
        while True:
            await hub.home._log.state(connection, "default")

    monkeypatch.setattr(hub.home, "_turn", import_orders)
    monkeypatch.setattr(health, "ANSWER_SECONDS", 0.2)
    response = await http.get(READY)
    assert response.status_code == 200
    assert response.json()["lag_seconds"] is None


async def test_a_database_that_hangs_is_told_in_time(http, hub, monkeypatch):
    await listening(hub)

    async def hang(connection):
        await hub.home._log._query(connection, "SELECT pg_sleep(5)", {})

    monkeypatch.setattr(hub.home, "_turn", hang)
    monkeypatch.setattr(health, "ANSWER_SECONDS", 0.2)
    async with asyncio.timeout(4):
        response = await http.get(READY)
    assert response.status_code == 503
    assert response.json()["reason"] == health.NO_ANSWER
    assert (await http.get(LIVE)).status_code == 200


@pytest.mark.parametrize("path", [LIVE, READY])
@pytest.mark.parametrize("method", ["post", "put", "delete"])
async def test_other_methods_are_not_allowed(http, path, method):
    response = await getattr(http, method)(path)
    assert response.status_code == 405


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
def test_probes_need_no_name_no_tls_and_no_thread(processes, transactional_db, kind):
    """They come by address, and over plain HTTP, to a site that redirects everybody else."""
    with (
        running_server(kind, DJANGO_SSL_REDIRECT="true") as server,
        httpx.Client(base_url=server.url, headers={"Host": "10.0.0.7"}) as probe,
    ):
        assert probe.get("/").status_code == 400
        assert probe.get("/", headers={"Host": "localhost"}).status_code == 301
        threads = psutil.Process(server.pid).num_threads()
        for _ in range(20):
            assert probe.get(LIVE).json() == {"status": "alive"}
            assert probe.get(READY).json()["status"] == "ready"
        assert probe.head(READY).status_code == 200
        # The hub looks up its connection's parameters in two.
        assert psutil.Process(server.pid).num_threads() <= threads + 2
