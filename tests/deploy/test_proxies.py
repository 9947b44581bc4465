"""A rolling restart behind each proxy, under load: nobody misses anything or is refused."""

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.clients import STREAM
from tests.servers import ROOT, database_url, free_port
from tests.tiers import needs
from tests.waiting import wait_until

from .conftest import write
from .load import Load

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("processes")]

HALF_OPEN = 200
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

    def connections(self, path: Path) -> int:
        """How many are open to its socket."""
        found = psutil.Process(self._running[path].pid).net_connections("unix")
        return sum(one.laddr == str(path) and one.status != "LISTEN" for one in found) - 1

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
            ("/srv/shop/staticfiles", str(folder / "static")),
            ("/etc/ssl/shop/fullchain.pem", str(folder / "certificate.pem")),
            ("/etc/ssl/shop/privkey.pem", str(folder / "key.pem")),
            ("shop.example.com", "localhost"),
        ],
    )
    main = folder / "nginx.conf"
    main.write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; user root;\n"
        f"events {{}} http {{ access_log off; include /etc/nginx/mime.types; include {site}; }}"
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
                "{\n\tservers {",
                "{\nauto_https disable_redirects\nadmin off\n\tservers {",
            ),
            (
                "shop.example.com {",
                f"https://localhost:{port} {{\ntls {folder}/certificate.pem {folder}/key.pem",
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


def make_certificate(folder: Path) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"),
            *("-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")),
        ],
        check=True,
        capture_output=True,
    )


@pytest.fixture
def folder(tmp_path, processes):
    make_certificate(tmp_path)
    return tmp_path


@contextmanager
def site_behind(name: str, folder: Path):
    """The processes of the site behind a proxy, and the proxy's port."""
    port = free_port()
    processes = Processes(folder)
    with ExitStack() as resources:
        resources.callback(processes.stop)
        for path in processes.sockets:
            processes.start(path)
        command = PROXIES[name](folder, port, processes.sockets)
        resources.enter_context(running(command, port, folder))
        yield processes, port


@pytest.mark.parametrize("name", PROXIES)
def test_a_rolling_restart_loses_nothing(transactional_db, alice, folder, name):
    with ExitStack() as resources:
        processes, port = resources.enter_context(site_behind(name, folder))
        load = resources.enter_context(Load(f"https://localhost:{port}", alice))
        load.goes_on()
        for path in processes.sockets:
            processes.restart(path)
            load.goes_on()
        load.lost_nothing()
        assert not load.broken


@needs("gunicorn")
def test_pages_by_wsgi_and_streams_by_one_asgi_process(transactional_db, alice, folder):
    """As a site may begin: gunicorn has its pages, a process beside it the one address."""
    port, wsgi = free_port(), folder / "wsgi.sock"
    site = (ROOT / "deploy/nginx/shop.conf").read_text()
    streams = site[site.index("    location / {") : site.rindex("}")]
    pages = streams.replace("http://shop", f"http://unix:{wsgi}:")
    both = streams.replace("location / {", f"location = {STREAM} {{") + pages
    asgi = Processes(folder)
    command = ["-m", "gunicorn", "--bind", f"unix:{wsgi}", "--workers", "2"]
    with ExitStack() as resources:
        resources.callback(asgi.stop)
        asgi.start(asgi.sockets[0])
        gunicorn = subprocess.Popen(
            [sys.executable, *command, "tests.deploy.wsgi:application"],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": database_url(),
                "DJANGO_SETTINGS_MODULE": "tests.realtime.forgetful",
            },
        )
        resources.callback(gunicorn.wait)
        resources.callback(gunicorn.terminate)
        wait_until(wsgi.exists, 60)
        nginx_command = nginx(folder, port, [asgi.sockets[0], asgi.sockets[0]])
        config = folder / "shop.conf"
        config.write_text(config.read_text().replace(streams, both))
        resources.enter_context(running(nginx_command, port, folder))
        load = resources.enter_context(Load(f"https://localhost:{port}", alice))
        load.goes_on()
        gunicorn.send_signal(signal.SIGHUP)  # pages are restarted, and no stream notices
        began = time.monotonic()
        load.goes_on(100)
        assert not load.connects_since(began)
        asgi.restart(asgi.sockets[0])
        load.goes_on()
        load.lost_nothing(refusals={502})


@pytest.mark.parametrize("name", PROXIES)
def test_half_open_connections_end_at_the_proxy(transactional_db, folder, name):
    """They send nothing, or never end what they send; whoever does is answered meanwhile."""
    with ExitStack() as resources:
        processes, port = resources.enter_context(site_behind(name, folder))
        context = ssl.create_default_context(cafile=str(folder / "certificate.pem"))
        half_open = []
        for number in range(HALF_OPEN):
            connection = resources.enter_context(socket.create_connection(("localhost", port)))
            if number % 2:
                connection = resources.enter_context(
                    context.wrap_socket(connection, server_hostname="localhost")
                )
                connection.sendall(b"GET /login/ HTTP/1.1\r\nHost: localhost\r\n")
            half_open.append(connection)
        held = sum(map(processes.connections, processes.sockets))
        client = resources.enter_context(httpx.Client(verify=context, timeout=20))
        assert client.get(f"https://localhost:{port}/login/").status_code == 200
        assert held < HALF_OPEN / 10, "they reach the processes of the site"
        for connection in half_open:
            connection.settimeout(90)
            with suppress(ConnectionError, ssl.SSLError):
                while connection.recv(1000):  # a proxy may say why first
                    pass
