"""Who is there, and the servers they talk to."""

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from django.conf import settings
from django.db import connection
from httpx_sse import connect_sse

ROOT = Path(__file__).resolve().parent
PASSWORD = "correct horse battery staple"
WAIT_SECONDS = 15
CHROMIUM = shutil.which("chromium")


@pytest.fixture
def alice(django_user_model):
    return django_user_model.objects.create_user("alice@example.com", PASSWORD)


@pytest.fixture
def bob(django_user_model):
    return django_user_model.objects.create_user("bob@example.com", PASSWORD)


@pytest.fixture
def document(alice, bob):
    """A document of a team of two."""
    from workspace.models import Team

    team = Team.objects.create(name="Editors")
    team.members.set([alice, bob])
    return team.documents.create(title="Plan", body="First draft")


class Server:
    """A server process on the test database, which can be stopped and started again."""

    COMMANDS = {
        "uvicorn": [
            "-m",
            "uvicorn",
            "--no-access-log",
            "--port",
            "{port}",
            "website.asgi:application",
        ],
        "daphne": ["-m", "daphne", "-v", "0", "-p", "{port}", "website.asgi:application"],
        # Without an ASGI server among the apps this is Django's own, by WSGI.
        "wsgi": ["manage.py", "runserver", "--noreload", "{port}"],
    }

    def __init__(self, kind, **environment):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.kind = kind
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = environment
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, *(part.format(port=self.port) for part in self.COMMANDS[self.kind])],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_NAME": connection.settings_dict["NAME"],
                "DJANGO_SETTINGS_MODULE": "website.settings",
                **self.environment,
            },
        )
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError(f"{self.kind} does not listen.")

    def stop(self):
        self.process.terminate()
        self.process.wait(WAIT_SECONDS)


@contextmanager
def running(kind="uvicorn", **environment):
    server = Server(kind, **environment)
    server.start()
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


@pytest.fixture
def server(transactional_db):
    with running() as server:
        yield server


@contextmanager
def signed_in(server, user):
    """A client of a server, after its login page."""
    with httpx.Client(base_url=server.url, timeout=WAIT_SECONDS, follow_redirects=True) as client:
        client.get("/en/login/")
        client.post(
            "/en/login/",
            data={
                "username": user.email,
                "password": PASSWORD,
                "csrfmiddlewaretoken": client.cookies["csrftoken"],
            },
        )
        assert settings.SESSION_COOKIE_NAME in client.cookies
        yield client


@contextmanager
def stream(client, path, cursor=None):
    """The events with data of a stream, as they come; the first block, a heartbeat, is read."""
    headers = {} if cursor is None else {"Last-Event-ID": str(cursor)}
    with connect_sse(client, "GET", path, headers=headers) as source:
        assert source.response.status_code == 200, source.response.read()
        blocks = source.iter_sse()
        next(blocks)
        yield (block for block in blocks if block.data)
