"""A database of its own to measure on, on the embedded PostgreSQL or that of DATABASE_URL.

The embedded PostgreSQL (realtime/postgres/embedded) runs with its defaults, fsync on. Its files
stay in `.local/benchmarks/`; it ends with the last process that uses it, however that ended.
"""

import os
import secrets
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from realtime.postgres.embedded.server import server_in

from . import places
from .processes import cpu_seconds

APPLICATION = "benchmark"
LOOK_SECONDS = 0.01


class Database:
    """A database, and the server that it is on."""

    def __init__(self, url: str, folder: Path | None) -> None:
        self.url = url
        self._folder = folder

    @property
    def is_embedded(self) -> bool:
        return self._folder is not None

    def url_for(self, application: str) -> str:
        """For another process, whose sessions are to be told from ours."""
        return make_conninfo(self.url, application_name=application)

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url, autocommit=True, application_name=APPLICATION)

    def sessions(self, application: str) -> int:
        """How many sessions a process has open."""
        with self.connect() as connection:
            query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
            return connection.execute(query, [application]).fetchone()[0]

    @contextmanager
    def watching_queries(self, application: str) -> Iterator[Callable[[], int]]:
        """Gives a function that says how many queries a process had at work at a time, at most."""
        most, stop = [0], threading.Event()

        def look() -> None:
            query = (
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE application_name = %s AND state = 'active'"
            )
            with self.connect() as connection:
                while not stop.wait(LOOK_SECONDS):
                    most[0] = max(most[0], connection.execute(query, [application]).fetchone()[0])

        thread = threading.Thread(target=look, name="watch queries")
        thread.start()
        try:
            yield lambda: most[0]
        finally:
            stop.set()
            thread.join()

    def version(self) -> str:
        with self.connect() as connection:
            return connection.execute("SHOW server_version").fetchone()[0].split()[0]

    def run_on(self, cores: Collection[int]) -> None:
        """Move the embedded server, and what it starts from now on; another stays where it is."""
        for pid in self._processes():
            os.sched_setaffinity(pid, cores)

    def cpu_seconds(self) -> float:
        """Of the embedded server's processes that run now, so far; 0 for another server."""
        return sum(cpu_seconds(pid) for pid in self._processes())

    def _processes(self) -> list[int]:
        if self._folder is None:
            return []
        postmaster = int((self._folder / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [postmaster, *map(int, children)]

    def settle(self) -> None:
        """Do now what was put off: vacuum and flush what the steps before have written.

        Or the next one would pay for it.
        """
        with self.connect() as connection:
            connection.execute("VACUUM ANALYZE")
            if connection.execute("SELECT pg_has_role('pg_checkpoint', 'USAGE')").fetchone()[0]:
                connection.execute("CHECKPOINT")

    @contextmanager
    def commits_take(self, milliseconds: int) -> Iterator[None]:
        """Each flush of the log waits for so long first, as on a slower disk.

        https://www.postgresql.org/docs/current/wal-configuration.html: the sleep is under the
        lock that a flush holds, and commits that come meanwhile share the next one, as there.
        """
        name = sql.Identifier(conninfo_to_dict(self.url)["dbname"])
        settings = {"commit_delay": milliseconds * 1000, "commit_siblings": 0}
        with self.connect() as connection:
            for setting, value in settings.items():
                connection.execute(
                    sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                        name, sql.Identifier(setting), sql.Literal(value)
                    )
                )
            try:
                yield
            finally:
                for setting in settings:
                    connection.execute(
                        sql.SQL("ALTER DATABASE {} RESET {}").format(name, sql.Identifier(setting))
                    )


@contextmanager
def new_database(cores: Collection[int]) -> Iterator[Database]:
    """An empty database, on a server that runs on these cores if it is ours; dropped at the end."""
    folder = None
    server = os.environ.get("DATABASE_URL", "")
    if not server:
        folder = places.KEPT / "postgres"
        parameters = server_in(folder).connection_parameters()
        server = make_conninfo(dbname="postgres", **parameters)
    name = f"benchmark_{secrets.token_hex(4)}"
    database = Database(make_conninfo(server, dbname=name), folder and folder.resolve())
    with psycopg.connect(server, autocommit=True, application_name=APPLICATION) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            database.run_on(cores)
            yield database
        finally:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )
