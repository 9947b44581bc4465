"""PgBouncer in transaction mode, in front of the test database."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from django.db import connection
from psycopg.conninfo import make_conninfo

from realtime.postgres.embedded.account import Account

from .servers import ServerProcess, free_port

# Debian puts it where only root's PATH looks.
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
READY = "process up"

CONFIGURATION = """
[databases]
* = {server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
; Whoever counts on the session that they had a moment ago is to be disappointed at once.
server_round_robin = 1
min_pool_size = 4
default_pool_size = 8
"""


def program() -> str | None:
    return shutil.which("pgbouncer", path=PATH)


@contextmanager
def running_pgbouncer() -> Iterator[str]:
    """Its connection string. It leads to the same databases as the connection of the tests."""
    parameters = connection.get_connection_params()
    names = ("host", "port", "user", "password")
    server = make_conninfo(**{name: parameters[name] for name in names if parameters.get(name)})
    port = free_port()
    # It refuses to be root, as PostgreSQL does.
    account = Account.unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    try:
        settings = folder / "pgbouncer.ini"
        settings.write_text(CONFIGURATION.format(server=server, port=port))
        if os.geteuid() == 0:
            for path in (folder, settings):
                os.chown(path, account.uid, account.gid)
        process = subprocess.Popen(
            [program(), settings],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **account.process_options(),
        )
        bouncer = ServerProcess(port, process)
        try:
            bouncer.wait_for_output(READY)
            url = make_conninfo(dbname=parameters["dbname"], host="127.0.0.1", port=port)
            psycopg.connect(url).close()
            yield url
        finally:
            bouncer.stop()
    finally:
        shutil.rmtree(folder)
