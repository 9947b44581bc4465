"""The folder of the server's data, logs and locks."""

import os
import tempfile
from pathlib import Path
from typing import BinaryIO

from . import locks
from .account import Account

# The account that PostgreSQL runs as can't enter root's folders (root's home is 0700, and the
# checkout may lie in it). Then the data go into the first of these that exists and is writable.
SYSTEM_FOLDERS = (Path("/var/lib"), Path("/var/tmp"))


class Folder:
    """The files of one server. Only their owner (and root) can read them or reach the socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path / "data"
        self.log_path = path / "server.log"
        self.start_lock = path / "start.lock"
        # Held by a process that keeps the server stopped.
        self.stopped_lock = path / "stopped.lock"
        self.users_lock = path / "users.lock"
        self.supervisor_lock = path / "supervisor.lock"
        self.server_lock = path / "server.lock"

    @classmethod
    def open(cls, path: Path) -> "Folder":
        """The folder at this path; it is created if it doesn't exist.

        For root this path becomes a symbolic link to a folder that PostgreSQL can reach: the data
        can be found from here, and deleting the link starts afresh.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        with locks.taken(path.with_name(f"{path.name}.lock")):
            if not path.exists():
                if os.geteuid() == 0:
                    path.unlink(missing_ok=True)  # a link to a folder that has been deleted
                    path.symlink_to(_make_for(Account.unprivileged()))
                else:
                    path.mkdir(mode=0o700)
        return cls(path.resolve())

    def open_log(self) -> BinaryIO:
        """The log, to append to."""
        log = self.log_path.open("ab")
        Account.owner_of(self.path).take_over(log.fileno())
        return log


def _make_for(account: Account) -> Path:
    place = next(folder for folder in SYSTEM_FOLDERS if os.access(folder, os.W_OK))
    # mkdtemp: certainly new, closed to others from the start, another one for each checkout.
    folder = Path(tempfile.mkdtemp(prefix="embedded-postgres-", dir=place))
    os.chown(folder, account.uid, account.gid)
    return folder
