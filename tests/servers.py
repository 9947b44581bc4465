"""Real server processes on the test database."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.db import connection
from psycopg.conninfo import make_conninfo

from .waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30
# The signal that ends a server after its test, at once. On SIGTERM it would take time to close
# streams whose clients have already left.
AT_ONCE = signal.SIGINT


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def database_url(**parts: str) -> str:
    """The test database for another process; parts: libpq parameters that differ from its own."""
    parameters = {**connection.get_connection_params(), **parts}
    names = ("dbname", "user", "password", "host", "port")
    return make_conninfo(**{name: parameters[name] for name in names if parameters.get(name)})


class ServerProcess:
    """A running server: its address, its process, and its output."""

    def __init__(self, port: int, process: subprocess.Popen) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.process = process
        self.output: list[str] = []
        self._changed = threading.Condition()
        threading.Thread(target=self._read, name=f"output of {process.pid}", daemon=True).start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def _read(self) -> None:
        with self.process.stdout as lines:
            for line in lines:
                with self._changed:
                    self.output.append(line)
                    self._changed.notify_all()
        with self._changed:
            self.output.append("")
            self._changed.notify_all()

    def wait_for_output(self, text: str, seconds: float = START_SECONDS) -> None:
        def seen() -> bool:
            return any(text in line for line in self.output) or self.output[-1:] == [""]

        with self._changed:
            self._changed.wait_for(seen, seconds)
        if not any(text in line for line in self.output):
            raise AssertionError(f"{text!r} was not printed:\n{''.join(self.output)}")

    def stop(self, with_signal: signal.Signals = signal.SIGTERM, seconds: float = 10) -> int:
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


COMMANDS = {
    "granian": ["-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", "{port}"],
    "hypercorn": ["-m", "hypercorn", "--bind", "127.0.0.1:{port}"],
    "daphne": ["-m", "daphne", "-b", "127.0.0.1", "-p", "{port}", "-v", "1"],
    "uvicorn": ["-m", "uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--no-access-log"],
    "runserver": ["manage.py", "runserver", "--noreload", "127.0.0.1:{port}"],
    # They terminate TLS themselves: TLS_KEY and TLS_CERTIFICATE name the files.
    "daphne-tls": [
        "-m",
        "daphne",
        "-v",
        "1",
        "-e",
        "ssl:{port}:interface=127.0.0.1:privateKey={TLS_KEY}:certKey={TLS_CERTIFICATE}",
    ],
    "uvicorn-tls": [
        *("-m", "uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--no-access-log"),
        *("--ssl-keyfile", "{TLS_KEY}", "--ssl-certfile", "{TLS_CERTIFICATE}"),
    ],
}
SETTINGS = {"runserver": {"DJANGO_SETTINGS_MODULE": "tests.kept_files"}}
READY = {
    "granian": "Started worker",
    "hypercorn": "Running on",
    "daphne": "Listening on TCP address",
    "uvicorn": "Uvicorn running on",
    "runserver": "Quit the server with",
    "daphne-tls": "Configuring endpoint ssl:",
    "uvicorn-tls": "Uvicorn running on",
}


@contextmanager
def running_server(
    kind: str = "daphne",
    *,
    port: int | None = None,
    application: str = "config.asgi:application",
    **environment: str,
) -> Iterator[ServerProcess]:
    """A server process; kind: daphne, uvicorn, or runserver (which also serves static files).

    port: the port of a stopped server, to take its place; None: a free port.
    application: the application that daphne and uvicorn run.
    """
    port = port or free_port()
    command = [part.format(port=port, **environment) for part in COMMANDS[kind]]
    if kind != "runserver":
        command.append(application)
    fixed = {"DATABASE_URL": database_url(), **SETTINGS.get(kind, {})}
    environment = {**os.environ, **fixed, **environment}
    # Only for this process, while it drives a browser, see browser/chromium.py.
    environment.pop("DJANGO_ALLOW_ASYNC_UNSAFE", None)
    process = subprocess.Popen(
        [sys.executable, "-u", *command],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    server = ServerProcess(port, process)
    try:
        server.wait_for_output(READY[kind])
        _wait_until_it_accepts(server)
        yield server
    finally:
        if process.poll() is None:
            server.stop(AT_ONCE)


def _wait_until_it_accepts(server: ServerProcess) -> None:
    # runserver prints its line a moment before it listens.
    def accepts() -> bool:
        with suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
            return True
        return False

    wait_until(accepts, START_SECONDS, otherwise=lambda: "".join(server.output))


def backlog(port: int) -> int:
    """The length of a listening socket's queue, as the kernel reports it."""
    listening = subprocess.run(
        ["ss", "--listening", "--tcp", "--numeric", f"sport = :{port}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return int(listening.splitlines()[1].split()[2])
