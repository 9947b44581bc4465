"""The PostgreSQL server itself: its data, its start and its end."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from . import binaries, locks
from .account import Account
from .folder import Folder

USER = "postgres"
PORT = 5432  # only a part of the socket's name: nothing listens on TCP
# sockaddr_un holds 104 bytes on macOS (108 on Linux), one of them the NUL at the end.
SOCKET_PATH_BYTES = 103
POLL_SECONDS = 0.01


class ClusterError(Exception):
    """PostgreSQL did not start; the reason is in its log."""


class Cluster:
    """One server and its data. Only the supervisor starts and stops it."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.account = Account.owner_of(folder.path)
        self._unfinished = folder.path / "unfinished"
        self._own_socket_folder: Path | None = None

    def start(self) -> None:
        """Start the server and wait until it answers. Keep one that has lost its supervisor."""
        lock = locks.open_lock(self.folder.server_lock)
        try:
            while not locks.try_to_take(lock):
                # A process of an earlier server is alive: either the whole server, or the rest of
                # one that was killed and will end soon.
                if _answers(self.folder):
                    return
                time.sleep(POLL_SECONDS)
            self._tidy()
            programs = binaries.reachable(self.account, self._unfinished, self.folder.path)
            if not self.folder.data.exists():
                self._make_data(programs)
            self._launch(programs, lock)
        finally:
            # From here on only PostgreSQL's own processes hold this lock.
            os.close(lock)

    def stop(self) -> None:
        """Stop the server in fast mode: it rolls back open transactions and disconnects clients."""
        os.kill(int(_read_pid_file(self.folder)[0]), signal.SIGINT)

    def wait_for_end(self) -> None:
        """Return when the last of the server's processes has ended, for whatever reason."""
        lock = locks.open_lock(self.folder.server_lock)
        locks.take(lock)
        os.close(lock)
        if self._own_socket_folder:
            shutil.rmtree(self._own_socket_folder, ignore_errors=True)

    def _tidy(self) -> None:
        """Remove what a killed server left behind. Safe only while the server's lock is ours."""
        # PostgreSQL refuses to start if any living (or zombie) process now has the id that stands
        # in one of these files: it takes that process for another server.
        for leftover in (
            self.folder.data / "postmaster.pid",
            self.folder.path / f"{socket_name()}.lock",
        ):
            leftover.unlink(missing_ok=True)
        shutil.rmtree(self._unfinished, ignore_errors=True)
        self._unfinished.mkdir(mode=0o700)
        os.chown(self._unfinished, *self.account)

    def _make_data(self, programs: Path) -> None:
        # Made elsewhere and renamed into place: a killed initdb leaves no incomplete cluster.
        # mkdtemp: an earlier initdb that still runs has another folder.
        draft = Path(tempfile.mkdtemp(dir=self._unfinished))
        os.chown(draft, *self.account)
        with self.folder.open_log() as log:
            made = subprocess.run(
                [
                    programs / "initdb",
                    f"--pgdata={draft}",
                    f"--username={USER}",
                    # No password: the folder's permissions let only its owner reach the socket.
                    "--auth=trust",
                    "--encoding=UTF8",
                    # Needs no locale of the operating system.
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                ],
                stdout=log,
                stderr=log,
                **self._process_options(),
            )
        if made.returncode != 0:
            raise ClusterError("initdb failed.")
        draft.rename(self.folder.data)

    def _launch(self, programs: Path, lock: int) -> None:
        with self.folder.open_log() as log:
            log.truncate(0)
            postgres = subprocess.Popen(
                [
                    programs / "postgres",
                    "-D",
                    self.folder.data,
                    "-c",
                    "listen_addresses=",
                    "-c",
                    f"unix_socket_directories={_quoted(self._socket_folder())}",
                    "-c",
                    "unix_socket_permissions=0700",
                    "-c",
                    f"port={PORT}",
                    "-c",
                    "max_connections=200",
                ],
                stdout=log,
                stderr=log,
                pass_fds=[lock],
                **self._process_options(),
            )
        while not is_ready(self.folder):
            if postgres.poll() is not None:
                raise ClusterError("PostgreSQL ended while it was starting.")
            time.sleep(POLL_SECONDS)

    def _process_options(self) -> dict[str, Any]:
        return {
            "cwd": self.folder.path,
            # Nothing inherited: LANG may name a missing locale, and PGDATA another server.
            "env": {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath},
            "stdin": subprocess.DEVNULL,
            **self.account.process_options(),
        }

    def _socket_folder(self) -> Path:
        path = self.folder.path
        # libpq reads a comma in its `host` as the start of another host.
        if len(os.fsencode(path / socket_name())) <= SOCKET_PATH_BYTES and "," not in str(path):
            return path
        self._own_socket_folder = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp"))
        os.chown(self._own_socket_folder, *self.account)
        return self._own_socket_folder


def socket_name() -> str:
    return f".s.PGSQL.{PORT}"


def socket_folder(folder: Folder) -> str:
    """The folder of the running server's socket: libpq's `host`."""
    return _read_pid_file(folder)[4]


def is_ready(folder: Folder) -> bool:
    """Whether the server says that it takes connections. The caller knows that it is alive."""
    lines = _read_pid_file(folder)
    return len(lines) > 7 and lines[7] == "ready"


def _answers(folder: Folder) -> bool:
    if not is_ready(folder):
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(os.path.join(socket_folder(folder), socket_name()))
        except OSError:
            return False
    return True


def _read_pid_file(folder: Folder) -> list[str]:
    # Process id, data, start time, port, socket folder, TCP address, shared memory, status.
    # https://www.postgresql.org/docs/current/storage-file-layout.html
    try:
        text = (folder.data / "postmaster.pid").read_text()
    except FileNotFoundError:
        return []
    return [line.strip() for line in text.splitlines()]


def _quoted(path: Path) -> str:
    """One element of a list of folders in PostgreSQL's settings."""
    return '"' + str(path).replace('"', '""') + '"'
