"""The process that starts PostgreSQL, and stops it when its last user has gone.

    python -m realtime.postgres.embedded.supervisor FOLDER

The command ends with status 0 as soon as the server answers or another supervisor runs; the
supervisor itself goes on in the background. Server.start_supervisor() gives it a session of its
own, so that Ctrl-C, a closed terminal and a killed parent don't end it. It doesn't use Django.
"""

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

from . import locks
from .cluster import Cluster, ClusterError
from .folder import Folder


def main(path: str) -> None:
    folder = Folder(Path(path))
    lock = locks.open_lock(folder.supervisor_lock)
    if not locks.try_to_take(lock):
        return  # there is one already
    answers, report = os.pipe()
    if os.fork() != 0:
        os.close(report)
        # Nothing to read: the supervisor has died, and the reason is in the log.
        os._exit(0 if os.read(answers, 1) else 1)
    os.close(answers)

    cluster = Cluster(folder)
    try:
        cluster.start()
    except ClusterError as error:
        sys.exit(str(error))
    with contextlib.suppress(BrokenPipeError):
        os.write(report, b"1")
    os.close(report)
    supervise(cluster)
    # Before the end of this process frees `users.lock`: the next process that takes `users.lock`
    # must not find a supervisor that is about to end.
    os.close(lock)


def supervise(cluster: Cluster) -> None:
    """Return when the server has ended: after its last user went, or by itself."""
    signal.signal(signal.SIGTERM, lambda *_: cluster.stop())
    threading.Thread(
        target=stop_after_last_user, args=[cluster], name="last one out", daemon=True
    ).start()
    cluster.wait_for_end()


def stop_after_last_user(cluster: Cluster) -> None:
    # Kept until this process ends: a new user waits for it, and then starts the server again.
    locks.take(locks.open_lock(cluster.folder.users_lock))
    cluster.stop()


if __name__ == "__main__":
    main(sys.argv[1])
