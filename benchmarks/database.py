"""A database of its own to measure on, on the embedded PostgreSQL or that of DATABASE_URL.

The embedded PostgreSQL (realtime/postgres/embedded) runs with its defaults, fsync on. Its files
stay in `.local/benchmarks/`; it ends with the last process that uses it, however that ended.
"""

import os
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from realtime.postgres.embedded.server import server_in

from .machine import KEPT, cpu_seconds

APPLICATION = "benchmark"


class Database:
    """A database, and the server that it is on. folder: of the embedded one, else None."""

    def __init__(self, url: str, folder: Path | None) -> None:
        self.url = url
        self._folder = folder

    def url_for(self, application: str) -> str:
        """For another process, whose sessions are to be told from ours."""
        return make_conninfo(self.url, application_name=application)

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url, autocommit=True, application_name=APPLICATION)

    def version(self) -> str:
        with self.connect() as connection:
            return connection.info.parameter_status("server_version").split()[0]

    def run_on(self, cores: Collection[int]) -> None:
        """Move the embedded server, and what it starts from now on; another stays where it is."""
        if server := self._server():
            for process in (server, *server.children()):
                process.cpu_affinity(list(cores))

    def cpu_seconds(self) -> float:
        """Of the embedded server, so far; 0 for another one."""
        server = self._server()
        return cpu_seconds(server) if server else 0.0

    def _server(self) -> psutil.Process | None:
        if self._folder is None:
            return None
        return psutil.Process(
            int((self._folder / "data" / "postmaster.pid").read_text().split()[0])
        )

    def settle(self) -> None:
        """Do now what was put off: vacuum and flush what the steps before have written.

        Or the next one would pay for it.
        """
        with self.connect() as connection:
            connection.execute("VACUUM ANALYZE")
            if connection.execute("SELECT pg_has_role('pg_checkpoint', 'USAGE')").fetchone()[0]:
                connection.execute("CHECKPOINT")

    @contextmanager
    def slower_commits(self, milliseconds: int) -> Iterator[None]:
        """Each flush of the log waits for so long first, as on a slower disk.

        https://www.postgresql.org/docs/current/wal-configuration.html: the sleep is under the
        lock that a flush holds, and commits that come meanwhile share the next one, as there.
        It holds for sessions that begin meanwhile.
        """
        alter = f"ALTER DATABASE {conninfo_to_dict(self.url)['dbname']}"
        with self.connect() as connection:
            connection.execute(f"{alter} SET commit_siblings = 0")
            connection.execute(f"{alter} SET commit_delay = {milliseconds * 1000}")
            try:
                yield
            finally:
                connection.execute(f"{alter} RESET commit_siblings")
                connection.execute(f"{alter} RESET commit_delay")


@contextmanager
def new_database(cores: Collection[int]) -> Iterator[Database]:
    """An empty database, on a server that runs on these cores if it is ours; dropped at the end."""
    folder = None
    server = os.environ.get("DATABASE_URL", "")
    if not server:
        folder = KEPT / "postgres"
        parameters = server_in(folder).connection_parameters()
        server = make_conninfo(dbname="postgres", **parameters)
    name = f"benchmark_{secrets.token_hex(4)}"  # needs no quotes
    database = Database(make_conninfo(server, dbname=name), folder and folder.resolve())
    with psycopg.connect(server, autocommit=True, application_name=APPLICATION) as connection:
        _drop_what_was_left(connection)
        connection.execute(f"CREATE DATABASE {name}")
        try:
            database.run_on(cores)
            with database.connect():  # by which other runs see that it is used
                yield database
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _drop_what_was_left(connection: psycopg.Connection) -> None:
    """Databases of a run that was killed: nobody is connected to them any more."""
    left = connection.execute(
        "SELECT datname FROM pg_database WHERE datname LIKE 'benchmark\\_%' AND NOT EXISTS"
        " (SELECT FROM pg_stat_activity WHERE pg_stat_activity.datname = pg_database.datname)"
    ).fetchall()
    for (name,) in left:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
