"""The account PostgreSQL runs as: it refuses to be root."""

import os
import pwd
from pathlib import Path
from typing import Any, NamedTuple


class Account(NamedTuple):
    uid: int
    gid: int

    @classmethod
    def unprivileged(cls) -> "Account":
        """Whom root becomes. `nobody` is everywhere, so the choice is the same the next time."""
        entry = pwd.getpwnam("nobody")
        return cls(entry.pw_uid, entry.pw_gid)

    @classmethod
    def owner_of(cls, folder: Path) -> "Account":
        status = folder.stat()
        return cls(status.st_uid, status.st_gid)

    def take_over(self, descriptor: int) -> None:
        """Own a file that root has opened: this account may be the next one to need it."""
        if os.geteuid() == 0:
            os.fchown(descriptor, self.uid, self.gid)

    def process_options(self) -> dict[str, Any]:
        """What `subprocess` needs to start a process as this account."""
        if os.geteuid() != 0:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}
