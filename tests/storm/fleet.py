"""A fleet under fire: three server processes on one database, and those who place orders."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from realtime.log.cursor import START, Cursor

from ..servers import ServerProcess, free_port, running_server
from .cluster import Cluster, running_cluster
from .people import Person, make
from .proxy import Proxy, running_proxy
from .truth import PublishedEvent
from .writing import WriterProcesses, Writers

DATABASE = "postgres"
SERVERS = 3


class Server:
    """One of the fleet, always on the same port, in whichever process."""

    def __init__(self, database_url: str, settings: str) -> None:
        self.port = free_port()
        self.process: ServerProcess | None = None
        self._environment = {"DATABASE_URL": database_url, "DJANGO_SETTINGS_MODULE": settings}
        self._running = ExitStack()

    def start(self) -> None:
        self.process = self._running.enter_context(
            running_server("daphne", port=self.port, **self._environment)
        )

    def kill(self) -> None:
        """SIGKILL: no last word to anyone."""
        self.process.process.kill()
        self.process.process.wait()

    def stop(self) -> None:
        self._running.close()


class Fleet:
    def __init__(self, cluster: Cluster, proxy: Proxy, people: list[Person], settings: str) -> None:
        self.cluster = cluster
        # Between the last server and the database.
        self.proxy = proxy
        self.people = people
        self.customers = [person for person in people if not person.is_staff]
        self.staff = [person for person in people if person.is_staff]
        self.writer_processes = WriterProcesses(
            {"DATABASE_URL": cluster.url(DATABASE), "DJANGO_SETTINGS_MODULE": settings}
        )
        ports = [cluster.port] * (SERVERS - 1) + [proxy.port]
        self.servers = [Server(cluster.url(DATABASE, port), settings) for port in ports]

    def query(self, statement: str, *parameters: object) -> list[tuple]:
        with self.cluster.connect(DATABASE) as connection:
            return connection.execute(statement, parameters).fetchall()

    def position(self) -> int:
        """How far the stream has come."""
        rows = self.query("SELECT position FROM realtime_stream WHERE name = 'default'")
        return rows[0][0] if rows else 0

    def cursor(self) -> str:
        """That of a client which has seen all up to there."""
        rows = self.query("SELECT position, mark FROM realtime_stream WHERE name = 'default'")
        return str(Cursor(*rows[0])) if rows else str(START)

    def waiting(self) -> int:
        """How many events have no number yet."""
        return self.query("SELECT count(*) FROM realtime_outbox")[0][0]

    def published(self, after: int) -> list[PublishedEvent]:
        rows = self.query(
            "SELECT position, topic, data FROM realtime_event "
            "WHERE stream = 'default' AND type = 'orders' AND position > %s ORDER BY position",
            after,
        )
        return [PublishedEvent(*row) for row in rows]

    def start_servers(self) -> None:
        with ThreadPoolExecutor() as threads:
            list(threads.map(Server.start, self.servers))

    def stop_servers(self) -> None:
        for server in self.servers:
            server.stop()

    def servers_output(self) -> str:
        return "".join(
            f"Server {number}: {line}"
            for number, server in enumerate(self.servers)
            for line in server.process.output
        )

    @contextmanager
    def writers(self, name: str, *, count: int, events: int, pause: float) -> Iterator[Writers]:
        writers = self.writer_processes.write(name, count=count, events=events, pause=pause)
        try:
            yield writers
        finally:
            writers.release()


@contextmanager
def open_fleet(folder: Path, settings: str, *, files: Path) -> Iterator[Fleet]:
    """files: of the database that it begins with, see shop_cluster.py."""
    with running_cluster(folder, files=files) as cluster, running_proxy(cluster.port) as proxy:
        with cluster.connect(DATABASE) as session:
            people = make(session)
        fleet = Fleet(cluster, proxy, people, settings)
        try:
            fleet.start_servers()
            yield fleet
        finally:
            fleet.stop_servers()
            fleet.writer_processes.end()
