"""The server as a Django process uses it: asking for its connection parameters starts it."""

import functools
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from django.db.utils import OperationalError

from . import cluster, locks
from .folder import Folder

ROOT = Path(__file__).resolve().parents[3]
START_SECONDS = 60
POLL_SECONDS = 0.02
LOG_LINES = 15


class Server:
    """The server of one folder, kept running for as long as this process lives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread_lock = threading.Lock()
        self._folder: Folder | None = None

    def connection_parameters(self) -> dict[str, str]:
        """libpq's host, port, user and database; the server is started if it doesn't run.

        Raises OperationalError, with the end of the server's log, if it can't be started.
        """
        with self._thread_lock:
            try:
                folder = self._folder = self._folder or self._enter()
                self._ensure_running(folder)
            except OSError as error:
                raise OperationalError(
                    f"The embedded PostgreSQL in {self.path} can't be used: {error}. If it was "
                    "made by another account, run as that account or delete it to start afresh; "
                    "or set DATABASE_URL to use a server of your own."
                ) from error
            return {
                "host": cluster.socket_folder(folder),
                "port": str(cluster.PORT),
                "user": cluster.USER,
            }

    def stop_for(self, seconds: float) -> None:
        """Stop the server and keep it stopped for some seconds: this demonstrates an outage.

        Meanwhile an attempt to connect raises an OperationalError at once. The first attempt
        after that starts the server again.
        """
        with self._thread_lock:
            folder = self._folder = self._folder or self._enter()
        with locks.taken(folder.stopped_lock):
            with locks.taken(folder.start_lock):
                if locks.is_taken(folder.supervisor_lock):
                    cluster.Cluster(folder).stop()
            time.sleep(seconds)

    def _enter(self) -> Folder:
        """Count as a user of the server from now on, until the kernel closes our files."""
        folder = Folder.open(self.path)
        # This waits while a supervisor stops the server because its last user has just gone.
        locks.share(locks.open_lock(folder.users_lock))
        return folder

    def _ensure_running(self, folder: Folder) -> None:
        # Checked for every connection, so that a server that crashed is started again.
        with locks.taken(folder.start_lock):
            deadline = time.monotonic() + START_SECONDS
            while True:
                supervised = locks.is_taken(folder.supervisor_lock)
                if supervised and cluster.is_ready(folder):
                    return
                if locks.is_taken(folder.stopped_lock):
                    raise OperationalError(
                        f"The embedded PostgreSQL in {self.path} is stopped for some seconds, "
                        "because somebody asked for that."
                    )
                if time.monotonic() > deadline:
                    raise self._did_not_start(folder, f"no answer in {START_SECONDS} seconds")
                if supervised:
                    # The process that started it was killed before it was ready.
                    time.sleep(POLL_SECONDS)
                else:
                    self.start_supervisor(folder)

    def start_supervisor(self, folder: Folder) -> None:
        with folder.open_log() as log:
            # Into a file, not a pipe: the server inherits it and would keep a pipe open.
            start = subprocess.run(
                [sys.executable, "-m", "realtime.postgres.embedded.supervisor", folder.path],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": _python_path()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if start.returncode != 0:
            raise self._did_not_start(folder, "its supervisor ended")

    def _did_not_start(self, folder: Folder, reason: str) -> OperationalError:
        end = folder.log_path.read_text(errors="replace").splitlines()[-LOG_LINES:]
        return OperationalError(
            f"The embedded PostgreSQL did not start ({reason}). The end of {folder.log_path}:\n\n"
            + "\n".join(end)
            + "\n\nTo use a server of your own instead, set DATABASE_URL."
        )


def _python_path() -> str:
    inherited = os.environ.get("PYTHONPATH")
    return os.pathsep.join([str(ROOT), inherited] if inherited else [str(ROOT)])


@functools.cache
def server_in(path: Path) -> Server:
    """The one Server of this process for this folder."""
    return Server(path)
