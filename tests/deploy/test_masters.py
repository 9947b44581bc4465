"""Servers that keep several processes at one port: restarted under load, nobody misses anything."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.servers import ROOT, database_url, free_port
from tests.tiers import needs
from tests.waiting import wait_until

from .load import CLIENTS, Load

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("processes"),
    needs("gunicorn", "uvicorn_worker"),
]

APPLICATION = "config.asgi:application"
GUNICORN = [
    *("-m", "gunicorn", "--workers", "2", "--worker-class", "uvicorn_worker.UvicornWorker"),
    *("--graceful-timeout", "30", "--log-level", "warning"),
]
MASTERS = {
    "uvicorn": [
        *("-m", "uvicorn", "--workers", "2", "--no-access-log", "--port", "{port}"),
        # A worker that has not begun after so many seconds stops the restart; the default is 5.
        *("--timeout-worker-healthcheck", "60"),
    ],
    "gunicorn": [*GUNICORN, "--bind", "127.0.0.1:{port}"],
    "gunicorn --max-requests": [
        *GUNICORN,
        *("--bind", "127.0.0.1:{port}", "--max-requests", "150", "--max-requests-jitter", "50"),
    ],
}
# Over so long the streams of a process come back that ends: half of DRAIN_SECONDS, see below.
SPREAD_SECONDS = 1.5


def environment(**more):
    return {
        **os.environ,
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "tests.deploy.settings",
        **more,
    }


def is_ready(port):
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


@contextmanager
def running(command, *, descriptors=(), output=None, **more):
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment(**more),
        pass_fds=descriptors,
        stderr=output,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


@contextmanager
def master(name, port, output=None, **more):
    command = [part.format(port=port) for part in MASTERS[name]]
    with running([*command, APPLICATION], output=output, **more) as process:
        wait_until(lambda: is_ready(port), 60)
        yield process


def told(port):
    """What whichever worker is reached tells Prometheus of all."""
    headers = {"Authorization": "Bearer a-token"}
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics", headers=headers)
    families = text_string_to_metric_families(answer.text)
    return Counter({s.name: s.value for family in families for s in family.samples})


def test_whichever_worker_is_scraped_tells_of_all(transactional_db, alice, tmp_path):
    port = free_port()
    shared = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "REALTIME_METRICS_TOKEN": "a-token"}
    with (
        master("uvicorn", port, **shared) as process,
        Load(f"http://127.0.0.1:{port}", alice, pages=None) as load,
    ):
        load.goes_on()
        wait_until(lambda: told(port)["realtime_streams_open"] == CLIENTS, 30)
        assert told(port)["realtime_processes"] == 2
        before = workers(process)
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: not workers(process) & before, 60)
        load.goes_on()
        wait_until(lambda: told(port)["realtime_streams_open"] == CLIENTS, 30)
        # What the first two have counted stays counted.
        received = sum(len(follower.received) for follower in load.followers)
        wait_until(lambda: told(port)["realtime_events_delivered_total"] >= received, 30)
        load.lost_nothing()


def workers(process):
    """The processes that a master has now."""
    listed = subprocess.run(
        ["pgrep", "-P", str(process.pid), "-f", "gunicorn|multiprocessing.spawn"],
        capture_output=True,
        text=True,
    )
    return {int(pid) for pid in listed.stdout.split()}


@pytest.mark.parametrize("name", ["uvicorn", "gunicorn"])
def test_a_reload_of_all_workers_loses_nothing(transactional_db, alice, name):
    port = free_port()
    with master(name, port) as process, Load(f"http://127.0.0.1:{port}", alice) as load:
        load.goes_on()
        before, began = workers(process), time.monotonic()
        assert len(before) >= 2
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: not workers(process) & before, 60)
        load.goes_on()
        again = load.connects_since(began)
        assert len(again) >= CLIENTS
        assert again[-1] - again[0] > SPREAD_SECONDS
        load.lost_nothing()


def test_workers_that_are_replaced_after_so_many_requests_lose_nothing(
    transactional_db, alice, tmp_path
):
    port, output = free_port(), tmp_path / "output"
    with (
        output.open("wb") as log,
        master("gunicorn --max-requests", port, log) as process,
        Load(f"http://127.0.0.1:{port}", alice) as load,
    ):
        before, began = workers(process), time.monotonic()
        wait_until(lambda: not workers(process) & before, 90)
        load.goes_on()
        assert len(load.connects_since(began)) >= CLIENTS
        load.lost_nothing()
    # It let its streams go in time: gunicorn had to kill nobody.
    assert "TIMEOUT" not in output.read_text()


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "daphne", "-v", "0", "--fd", "{fd}"],
        ["-m", "uvicorn", "--no-access-log", "--fd", "{fd}"],
    ],
    ids=["daphne", "uvicorn"],
)
def test_processes_that_share_an_inherited_socket_are_restarted_one_by_one(
    transactional_db, alice, command
):
    """As systemd hands it over: the socket stays open, so that nobody is ever refused."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(2048)
        port, fd = listening.getsockname()[1], listening.fileno()
        command = [*(part.format(fd=fd) for part in command), APPLICATION]

        def one():
            return running(command, descriptors=[fd])

        with one() as first, one() as second:
            wait_until(lambda: is_ready(port), 60)
            with Load(f"http://127.0.0.1:{port}", alice) as load:
                load.goes_on()
                first.terminate()
                first.wait(30)
                load.goes_on()
                with one():
                    second.terminate()
                    second.wait(30)
                    load.goes_on()
                    load.lost_nothing()
