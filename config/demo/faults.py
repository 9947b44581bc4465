"""The faults that the demo causes. Each heals by itself, and nothing is lost meanwhile."""

import os
import sys
import threading
import time

from django.conf import settings
from django.db import connection

from config.database import EMBEDDED_ENGINE

STOPPED_SECONDS = 5
# The answer to the request has this much time to leave the server before the restart.
RESTART_AFTER_SECONDS = 0.3


def end_sessions() -> int:
    """End all other database sessions of this site; returns how many there were.

    They include the hub's LISTEN session, its pool, and the session of each thread.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = current_user"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return cursor.fetchone()[0]


def can_stop_database() -> bool:
    """Whether the database belongs to this checkout alone."""
    return settings.DATABASES["default"]["ENGINE"] == EMBEDDED_ENGINE


def stop_database() -> None:
    """Stop the embedded PostgreSQL, and prevent its start for some seconds."""
    # Imported here, because with DATABASE_URL the embedded server need not be installed.
    from realtime.postgres.embedded.server import server_in

    server = server_in(settings.DATABASES["default"]["FOLDER"])
    threading.Thread(
        target=server.stop_for, args=[STOPPED_SECONDS], name="demo-stop-database", daemon=True
    ).start()


def restart_server() -> None:
    """Replace this process by a new one of the same command, without closing its streams."""
    threading.Thread(target=_replace, name="demo-restart", daemon=True).start()


def _replace() -> None:
    time.sleep(RESTART_AFTER_SECONDS)
    sys.stdout.flush()
    sys.stderr.flush()
    # Sockets and locks close with it: Python's descriptors are not inherited.
    os.execv(sys.executable, sys.orig_argv)
