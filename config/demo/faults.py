"""What the demo breaks: each of it heals by itself, and nothing is lost meanwhile."""

import os
import sys
import threading
import time

from django.conf import settings
from django.db import connection

from config.database import EMBEDDED_ENGINE

STOPPED_SECONDS = 5
# So long the answer to the request that asked for it has to leave the server.
RESTART_AFTER_SECONDS = 0.3


def end_sessions() -> int:
    """End all sessions that this site has open to its database, but this one; how many there were.

    The hub's LISTEN, its pool and each thread's own are among them.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = current_user"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return cursor.fetchone()[0]


def can_stop_database() -> bool:
    """Whether the database is this checkout's own, and nobody else's."""
    return settings.DATABASES["default"]["ENGINE"] == EMBEDDED_ENGINE


def stop_database() -> None:
    """Stop the embedded PostgreSQL, and let nobody start it for some seconds."""
    # Only where it is installed: with DATABASE_URL, nothing of it is imported.
    from realtime.postgres.embedded.server import server_in

    server = server_in(settings.DATABASES["default"]["FOLDER"])
    threading.Thread(
        target=server.stop_for, args=[STOPPED_SECONDS], name="demo-stop-database", daemon=True
    ).start()


def restart_server() -> None:
    """Replace this process by a new one of the same command, without a farewell to anybody."""
    threading.Thread(target=_replace, name="demo-restart", daemon=True).start()


def _replace() -> None:
    time.sleep(RESTART_AFTER_SECONDS)
    sys.stdout.flush()
    sys.stderr.flush()
    # Sockets and locks close with it: Python's descriptors are not inherited.
    os.execv(sys.executable, sys.orig_argv)
