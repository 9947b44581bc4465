"""A running server that is measured: this project's own, and what a peer has to offer too."""

import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from .database import Database
from .pace import Published
from .processes import Process, free_port, running
from .streams import Request

SERVERS = {
    "daphne": ["-m", "daphne", "-v", "0", "-b", "127.0.0.1", "-p"],
    "uvicorn": ["-m", "uvicorn", "--no-access-log", "--log-level", "warning", "--port"],
}


class Site(Protocol):
    """A running server with streams."""

    name: str
    port: int
    process: Process
    # Whether events arrive in the order in which publish() sends them off.
    keeps_order: bool

    def requests(self, count: int, *, after: Any = None) -> Sequence[Request]:
        """So many streams of everything that is published; after: where they left off."""

    def own_requests(self, count: int) -> Sequence[Request]:
        """So many streams, each of somebody else, as far as the site can tell people apart."""

    def cursor(self) -> Any:
        """Where a stream stands now."""

    def publish(self, per_second: float, seconds: float) -> Published:
        """Publish at this rate for so long, each event to every stream of `requests()`."""


class Ours:
    """The project as it is, on one of the ASGI servers it supports. Django is set up."""

    keeps_order = True

    def __init__(self, name: str, port: int, process: Process, database: Database) -> None:
        self.name = name
        self.port = port
        self.process = process
        self.database = database

    @property
    def sessions(self) -> int:
        """Of the server's, on PostgreSQL."""
        return self.database.sessions(self.name)

    def requests(self, count: int, *, after: str | None = None) -> list[Request]:
        from . import people

        return people.whole_stream(count, after=after)

    def own_requests(self, count: int) -> list[Request]:
        from . import people

        return people.own_streams(people.customers(count))

    def cursor(self) -> str:
        """Where the stream of orders has come to, as its clients say it."""
        import realtime

        return str(realtime.current_cursor("default"))

    def publish(self, per_second: float, seconds: float) -> Published:
        from . import people, placing

        return placing.place(per_second, seconds, people.customers(100))


@contextmanager
def ours(
    database: Database, server: str, cores: Collection[int], *, name: str | None = None
) -> Iterator[Ours]:
    """One process of this project's server, with its own settings."""
    port = free_port()
    name = name or f"ours-{server}"
    with running(
        name,
        [sys.executable, *SERVERS[server], port, "config.asgi:application"],
        cores=cores,
        port=port,
        environment={"DATABASE_URL": database.url_for(name), "DJANGO_DEBUG": "false"},
    ) as process:
        yield Ours(name, port, process, database)
