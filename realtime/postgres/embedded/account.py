"""The account that PostgreSQL runs as: it refuses to run as root."""

import os
import pwd
from pathlib import Path
from typing import Any, NamedTuple


class Account(NamedTuple):
    uid: int
    gid: int

    @classmethod
    def unprivileged(cls) -> "Account":
        """The account that replaces root: `nobody`, because every system has it."""
        entry = pwd.getpwnam("nobody")
        return cls(entry.pw_uid, entry.pw_gid)

    @classmethod
    def owner_of(cls, folder: Path) -> "Account":
        status = folder.stat()
        return cls(status.st_uid, status.st_gid)

    def take_over(self, descriptor: int) -> None:
        """Give this account a file that root has opened: its processes may need the file later."""
        if os.geteuid() == 0:
            os.fchown(descriptor, self.uid, self.gid)

    def process_options(self) -> dict[str, Any]:
        """What `subprocess` needs to start a process as this account."""
        if os.geteuid() != 0:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}
