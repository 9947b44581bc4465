"""A PostgreSQL of the storm's own, to be crashed and started again."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg

from realtime.postgres.embedded import binaries
from realtime.postgres.embedded.account import Account
from realtime.postgres.embedded.folder import Folder

from ..servers import free_port
from ..waiting import wait_until

START_SECONDS = 30


class Cluster:
    """The server and its data. Commits are as durable as PostgreSQL makes them by default."""

    def __init__(
        self,
        folder: Folder,
        *,
        standby_of: "Cluster | None" = None,
        files: Path | None = None,
        max_connections: int = 200,
    ) -> None:
        self._max_connections = max_connections
        self.port = free_port()
        self._path = folder.path
        self.data = folder.path / "data"
        self._log = folder.path / "server.log"
        self._account = Account.owner_of(folder.path)
        self._programs = binaries.reachable(self._account, folder.path, folder.path)
        self._process: subprocess.Popen | None = None
        if standby_of is not None:
            self.run(
                *("pg_basebackup", f"--dbname={standby_of.url('postgres')}"),
                *("-D", str(self.data), "-R", "--checkpoint=fast"),
            )
            return
        if files is not None:
            copy_files(files, self.data)
            return
        self.run(
            "initdb",
            f"--pgdata={self.data}",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
        )

    def start(self) -> None:
        """Start it, after a crash too, and wait until it takes connections."""
        self._process = self._run(
            *("postgres", "-D", str(self.data)),
            *("-c", "listen_addresses=127.0.0.1", "-c", f"port={self.port}"),
            *("-c", "unix_socket_directories=", "-c", f"max_connections={self._max_connections}"),
        )
        wait_until(self._answers_or_ended, START_SECONDS, otherwise=self._log.read_text)
        assert self.is_running, self._log.read_text()

    def _answers_or_ended(self) -> bool:
        with suppress(psycopg.OperationalError):
            self.connect("postgres").close()
            return True
        return not self.is_running

    def shut_down(self) -> None:
        """What `pg_ctl stop -m fast` does: its files are whole, and may be copied."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs on it, to its end."""
        status = self._run(program, *arguments).wait()
        assert status == 0, self._log.read_text()

    def crash(self) -> None:
        """What `pg_ctl stop -m immediate` does: no checkpoint, no word to anyone."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(10)

    def freeze(self) -> None:
        """From now on it takes connections and answers nothing, until `thaw()`."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, with_signal: signal.Signals) -> None:
        process = psutil.Process(self._process.pid)
        for one in (process, *process.children(recursive=True)):
            one.send_signal(with_signal)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        if self.is_running:
            self.crash()

    def url(self, database: str, port: int | None = None) -> str:
        """port: of a proxy in between; its own if None."""
        return f"postgresql://postgres@127.0.0.1:{port or self.port}/{database}"

    def connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(self.url(database), autocommit=True)

    def _run(self, program: str, *arguments: str) -> subprocess.Popen:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [self._programs / program, *arguments],
                cwd=self._path,
                env={"LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self._account.process_options(),
            )


# Of a cluster's thousand files two thirds are those of databases that new ones are copied from. To
# make that many costs a third of a second of a core, and no test makes a database in a copy.
DROP_TEMPLATES = (
    "UPDATE pg_database SET datistemplate = false",
    "DROP DATABASE template0 WITH (FORCE)",
    "DROP DATABASE template1 WITH (FORCE)",
)


def copy_files(files: Path, to: Path) -> None:
    """Of a server that is shut down; the copy belongs to the owner of the folder that it is in."""
    shutil.copytree(files, to)
    owner = to.parent.stat()
    for each in (to, *to.rglob("*")):
        os.chown(each, owner.st_uid, owner.st_gid)
    to.chmod(0o700)


@contextmanager
def running_cluster(
    path: Path,
    *,
    standby_of: Cluster | None = None,
    files: Path | None = None,
    max_connections: int = 200,
) -> Iterator[Cluster]:
    """A new cluster at this path, removed at the end.

    standby_of: another one, whose streaming standby it is. files: of another one, which it begins
    with, see shop_cluster.py.
    """
    folder = Folder.open(path)
    try:
        cluster = Cluster(
            folder, standby_of=standby_of, files=files, max_connections=max_connections
        )
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder.path)
