"""Looking at an embedded PostgreSQL from outside: its folder, its processes, its end."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import psycopg

from realtime.postgres.embedded import binaries, locks
from realtime.postgres.embedded.account import Account
from tests.servers import ROOT
from tests.waiting import wait_until

STOP_SECONDS = 2


def is_running(folder: Path) -> bool:
    """Whether any process of the server, or its supervisor, is alive."""
    return any(
        locks.is_taken(folder / name)
        for name in ("server.lock", "supervisor.lock")
        if (folder / name).exists()
    )


def wait_for_end(folder: Path, seconds: float = STOP_SECONDS) -> None:
    wait_until(lambda: not is_running(folder), seconds)


def supervisor_of(folder: Path) -> psutil.Process:
    [process] = [
        process
        for process in psutil.process_iter()
        if _command_line(process)[-2:]
        == ["realtime.postgres.embedded.supervisor", str(folder.resolve())]
    ]
    return process


def kill_supervisor(folder: Path) -> None:
    """It is dead when its lock is free: one thread may be a zombie while another still ends."""
    kill(supervisor_of(folder))
    wait_until(lambda: not locks.is_taken(folder / "supervisor.lock"))


def postgres_of(folder: Path) -> psutil.Process:
    return psutil.Process(int((folder / "data" / "postmaster.pid").read_text().split()[0]))


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def kill(*processes: psutil.Process) -> None:
    """SIGKILL, and wait until they are dead: a signal takes its time."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    wait_until(lambda: all(map(_is_dead, processes)))


def _is_dead(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def kill_everything(folder: Path, *users: int) -> None:
    """SIGKILL for all of them at once, as an out-of-memory killer or `kill -9` would."""
    supervisor, postgres = supervisor_of(folder), postgres_of(folder)
    doomed = [supervisor, postgres, *postgres.children(), *map(psutil.Process, users)]
    kill(*doomed)
    wait_for_end(folder)


@contextmanager
def removed_at_the_end(folder: Path) -> Iterator[None]:
    """The server must have ended then. As root its folder is a link to another place."""
    try:
        yield
    finally:
        if folder.exists():
            wait_for_end(folder, 10)
            shutil.rmtree(folder.resolve())


class SystemUser(NamedTuple):
    """An account of this machine, and a Python that it can run."""

    python: str = sys.executable
    process_options: dict[str, Any] = {}
    environment: dict[str, str] = {}

    @classmethod
    def find_ordinary(cls) -> "SystemUser | None":
        """One who isn't root."""
        if os.geteuid() != 0:
            return cls()
        # This Python may lie in root's home, which is closed: then the system's own of the same
        # version will do, with the packages that are installed for this one.
        options = Account.unprivileged().process_options()
        environment = {"PYTHONPATH": str(binaries.installed().parents[2]), "HOME": "/nonexistent"}
        for python in (sys.executable, "/usr/bin/python{}.{}".format(*sys.version_info)):
            try:
                subprocess.run(
                    [python, "-c", "import django, psycopg, daphne"],
                    cwd=ROOT,
                    env=environment,
                    stderr=subprocess.DEVNULL,
                    check=True,
                    **options,
                )
            except (OSError, subprocess.CalledProcessError):
                continue
            return cls(python, options, environment)
        return None

    def owns(self, folder: Path) -> None:
        if self.process_options:
            os.chown(folder, self.process_options["user"], self.process_options["group"])


WHO_RUNS_THE_TESTS = SystemUser()


class PostgresUser:
    """A process that uses the embedded PostgreSQL of a folder."""

    def __init__(
        self, folder: Path, account: SystemUser = WHO_RUNS_THE_TESTS, **environment: str
    ) -> None:
        self.process = subprocess.Popen(
            [account.python, "-m", "tests.realtime.postgres.postgres_user", folder],
            cwd=ROOT,
            env={**os.environ, **account.environment, **environment},
            start_new_session=True,  # to get its terminal's signals alone
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **account.process_options,
        )

    def __enter__(self) -> "PostgresUser":
        return self

    def __exit__(self, *exc: object) -> None:
        self.leave()

    def ask(self) -> None:
        """Say that a connection is wanted, and don't wait for the answer."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        """The connection string."""
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return line

    def query(self, statement: str) -> Any:
        """The one value that it gives on a new connection, made as this process would make it."""
        self.ask()
        with psycopg.connect(self.answer(), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchone()[0] if cursor.description else None

    def leave(self) -> str:
        """End in good order; what it had to complain about."""
        if self.process.returncode is not None:
            return ""
        return self.process.communicate(timeout=10)[1]

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()
