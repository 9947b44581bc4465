"""A rolling restart behind each proxy, under load: nobody misses anything or is refused."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from httpx_sse import connect_sse

from realtime import topic_of
from tests.clients import STREAM, bearer
from tests.servers import ROOT, database_url, free_port
from tests.waiting import wait_until

from .conftest import write

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("processes")]

CLIENTS = 20
SCRAPE = {"Authorization": "Bearer a-token"}


class Processes:
    """Two processes of the site, each at a socket of its own, as systemd runs them."""

    def __init__(self, folder: Path) -> None:
        self.sockets = [folder / "1.sock", folder / "2.sock"]
        self._running: dict[Path, subprocess.Popen] = {}

    def start(self, path: Path) -> None:
        self._running[path] = subprocess.Popen(
            [
                *(sys.executable, "-m", "uvicorn", "config.asgi:application", "--uds", str(path)),
                *("--proxy-headers", "--forwarded-allow-ips", "*", "--no-access-log"),
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": database_url(),
                "DJANGO_SETTINGS_MODULE": "tests.realtime.forgetful",
                "REALTIME_METRICS_TOKEN": "a-token",
            },
        )
        # As ExecStartPost does.
        wait_until(lambda: self._is_ready(path), 60)

    def restart(self, path: Path) -> None:
        self._running[path].send_signal(signal.SIGTERM)
        self._running[path].wait(30)
        self.start(path)

    def stop(self) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()

    def streams(self, path: Path) -> int:
        """How many are open there."""
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as scraper:
            answer = scraper.get("http://localhost/metrics", headers=SCRAPE)
        line = re.search(r'^realtime_streams_open{kind="topics"} (\d+)', answer.text, re.MULTILINE)
        return int(line[1]) if line else 0

    def _is_ready(self, path: Path) -> bool:
        # First without httpx, which leaves behind the socket of a connection that was refused.
        with socket.socket(socket.AF_UNIX) as knock:
            if knock.connect_ex(str(path)) != 0:
                return False
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as probe:
            try:
                return probe.get("http://localhost/readyz").status_code == 200
            except httpx.HTTPError:
                return False


def nginx(folder: Path, port: int, sockets: list[Path]) -> list[str]:
    site = write(
        "nginx/shop.conf",
        folder / "shop.conf",
        [
            ("/run/shop/1.sock", str(sockets[0])),
            ("/run/shop/2.sock", str(sockets[1])),
            ("listen 80;", f"listen 127.0.0.1:{free_port()};"),
            ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
            ("/etc/ssl/shop/fullchain.pem", str(folder / "certificate.pem")),
            ("/etc/ssl/shop/privkey.pem", str(folder / "key.pem")),
            ("shop.example.com", "localhost"),
        ],
    )
    main = folder / "nginx.conf"
    main.write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; user root;\n"
        f"events {{}} http {{ access_log off; include {site}; }}"
    )
    return ["nginx", "-c", str(main)]


def caddy(folder: Path, port: int, sockets: list[Path]) -> list[str]:
    file = write(
        "caddy/Caddyfile",
        folder / "Caddyfile",
        [
            ("unix//run/shop/1.sock", f"unix/{sockets[0]}"),
            ("unix//run/shop/2.sock", f"unix/{sockets[1]}"),
            (
                "shop.example.com {",
                f"{{\nauto_https disable_redirects\nadmin off\n}}\nhttps://localhost:{port} {{\n"
                f"tls {folder}/certificate.pem {folder}/key.pem",
            ),
        ],
    )
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(file)]


def haproxy(folder: Path, port: int, sockets: list[Path]) -> list[str]:
    both = (folder / "certificate.pem").read_text() + (folder / "key.pem").read_text()
    (folder / "shop.pem").write_text(both)
    file = write(
        "haproxy/haproxy.cfg",
        folder / "haproxy.cfg",
        [
            ("/run/shop/1.sock", str(sockets[0])),
            ("/run/shop/2.sock", str(sockets[1])),
            ("bind :443", f"bind 127.0.0.1:{port}"),
            ("/etc/ssl/shop/shop.pem", str(folder / "shop.pem")),
            ("maxconn 50000", "maxconn 1000"),
        ],
    )
    return ["haproxy", "-db", "-f", str(file)]


PROXIES = {"nginx": nginx, "caddy": caddy, "haproxy": haproxy}


@contextmanager
def running(command: list[str], port: int, folder: Path):
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs {command[0]}")
    process = subprocess.Popen(command, env={**os.environ, "HOME": str(folder)})
    try:
        wait_until(lambda: accepts(port), 20)
        yield
    finally:
        process.terminate()
        process.wait(20)


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Follower:
    """A client that comes back whenever its stream ends, as EventSource does."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self.received: list[int] = []
        self.resets: list[str] = []
        self.refused: list[int] = []
        self._url, self._headers = url, headers
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower")
        self._thread.start()

    def _run(self) -> None:
        cursor = "0"
        with httpx.Client(http2=True, verify=False, timeout=10) as client:
            while not self._ended.is_set():
                headers = {**self._headers, "Last-Event-ID": cursor}
                try:
                    with connect_sse(client, "GET", self._url, headers=headers) as source:
                        if source.response.status_code != 200:
                            self.refused.append(source.response.status_code)
                            self._ended.wait(0.2)
                            continue
                        for block in source.iter_sse():
                            cursor = block.id or cursor
                            if block.event == "reset":
                                self.resets.append(block.data)
                            elif block.data:
                                self.received.append(json.loads(block.data)["n"])
                            if self._ended.is_set():
                                return
                except httpx.HTTPError:
                    self._ended.wait(0.2)

    def end(self) -> None:
        self._ended.set()

    def join(self) -> None:
        self._thread.join(30)


@pytest.fixture
def folder(tmp_path, processes):
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"),
            *("-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "certificate.pem")),
        ],
        check=True,
        capture_output=True,
    )
    return tmp_path


@pytest.mark.parametrize("name", PROXIES)
def test_a_rolling_restart_loses_nothing(transactional_db, alice, folder, name):
    port = free_port()
    url = f"https://localhost:{port}"
    processes = Processes(folder)
    with ExitStack() as resources:
        resources.callback(processes.stop)
        for path in processes.sockets:
            processes.start(path)
        resources.enter_context(
            running(PROXIES[name](folder, port, processes.sockets), port, folder)
        )
        followers = [Follower(url + STREAM, bearer(alice)) for _ in range(CLIENTS)]
        for follower in followers:
            resources.callback(follower.end)
        pages = resources.enter_context(
            httpx.Client(http2=True, verify=False, base_url=url, headers=bearer(alice), timeout=20)
        )
        session = resources.enter_context(psycopg.connect(database_url(), autocommit=True))
        topic, statuses, ended = topic_of(alice), [], threading.Event()

        def write_and_look() -> int:
            number = 0
            while not ended.is_set():
                number += 1
                session.execute(
                    "INSERT INTO realtime_outbox (stream, topic, type, data) "
                    "VALUES ('orders', %s, 'orders', %s)",
                    [topic, json.dumps({"n": number})],
                )
                session.execute("SELECT pg_notify('realtime_pending', 'orders')")
                statuses.append(pages.get("/api/orders/").status_code)
                ended.wait(0.02)
            return number

        written: list[int] = []
        writer = threading.Thread(target=lambda: written.append(write_and_look()), name="writer")
        writer.start()
        resources.callback(ended.set)
        wait_until(lambda: all(len(follower.received) > 3 for follower in followers), 30)
        for path in processes.sockets:
            processes.restart(path)
            seen = [len(follower.received) for follower in followers]
            wait_until(
                lambda seen=seen: all(
                    len(follower.received) > before + 3
                    for follower, before in zip(followers, seen, strict=True)
                ),
                30,
            )
        ended.set()
        writer.join()
        wait_until(lambda: all(f.received[-1] == written[0] for f in followers), 30)
        time.sleep(0.2)  # for what comes twice
        for follower in followers:
            follower.end()
            follower.join()
        everything = list(range(1, written[0] + 1))
        assert all(follower.received == everything for follower in followers)
        assert not any(follower.resets for follower in followers)
        assert not (refused := [status for f in followers for status in f.refused]), refused
        assert set(statuses) == {200}
