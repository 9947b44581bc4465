"""A fresh copy of the project, and what a newcomer does in it."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.realtime.postgres.embedded_processes import (
    STOP_SECONDS,
    WHO_RUNS_THE_TESTS,
    SystemUser,
    wait_for_end,
)
from tests.servers import ROOT, ServerProcess, free_port
from tests.waiting import wait_until

PARTS = ["manage.py", "config", "orders", "realtime", "templates", "tools"]
READY = "Quit the server with"


class Checkout:
    """A copy that nothing of this process's environment reaches which speaks of Django."""

    def __init__(self, path: Path, account: SystemUser = WHO_RUNS_THE_TESTS) -> None:
        self.path = path
        self.account = account
        self.postgres = path / ".local" / "postgres"

    @classmethod
    def copy_to(cls, path: Path, account: SystemUser = WHO_RUNS_THE_TESTS) -> "Checkout":
        path.mkdir()
        for part in PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, path / part)
        account.owns(path)
        return cls(path, account)

    def _start(self, *command: str, **environment: str) -> subprocess.Popen:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in ("DATABASE_URL", "PYTHONUNBUFFERED") and not name.startswith("DJANGO_")
        }
        return subprocess.Popen(
            [self.account.python, "manage.py", *command],
            cwd=self.path,
            env={**inherited, **self.account.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A process group of its own, which gets a Ctrl-C as a terminal's foreground does.
            start_new_session=True,
            **self.account.process_options,
        )

    def manage(self, *command: str, **environment: str) -> tuple[int, str]:
        """The exit status of a management command, and all that it printed."""
        process = self._start(*command, **environment)
        try:
            output, _ = process.communicate(timeout=30)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        return process.returncode, output

    @contextmanager
    def runserver(self, *options: str, **environment: str) -> Iterator["Site"]:
        """`manage.py runserver`, until it is ready."""
        with self.starting(*options, **environment) as site:
            site.wait_until_ready()
            yield site

    @contextmanager
    def starting(self, *options: str, **environment: str) -> Iterator["Site"]:
        """`manage.py runserver`, just begun."""
        port = free_port()
        process = self._start("runserver", str(port), *options, **environment)
        site = Site(port, process)
        try:
            yield site
        finally:
            if process.poll() is None:
                site.kill()


class Site(ServerProcess):
    """A running `manage.py runserver`."""

    @property
    def text(self) -> str:
        return "".join(self.output)

    def wait_until_ready(self, starts: int = 1) -> None:
        """Wait until it has started for the nth time (the autoreloader starts it again)."""
        wait_until(lambda: self.text.count(READY) >= starts or self.process.poll() is not None, 60)
        assert self.process.poll() is None, self.text
        wait_until(self._listens)

    def _listens(self) -> bool:
        try:
            return httpx.head(f"{self.url}/login/").status_code == 200
        except httpx.ConnectError:
            return False

    def token(self, username: str, password: str) -> str:
        answer = httpx.post(
            f"{self.url}/api/token/", json={"username": username, "password": password}
        )
        return answer.raise_for_status().json()["access"]

    @contextmanager
    def open_stream(self, username: str = "alice", password: str = "demo") -> Iterator[str]:
        """The first line of an event stream, which stays open."""
        headers = {"Authorization": f"Bearer {self.token(username, password)}"}
        with httpx.stream("GET", f"{self.url}/orders/realtime", headers=headers) as response:
            yield next(response.iter_lines())

    def press_ctrl_c(self) -> None:
        os.killpg(self.pid, signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL for it and for the autoreloader's child."""
        os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    def end_by_ctrl_c(self, checkout: Checkout) -> None:
        """All of it has to end in time, PostgreSQL too."""
        began = time.monotonic()
        self.press_ctrl_c()
        self.process.wait(STOP_SECONDS)
        wait_until(lambda: not _group_exists(self.pid), STOP_SECONDS)
        wait_for_end(checkout.postgres, STOP_SECONDS - (time.monotonic() - began))


def _group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
