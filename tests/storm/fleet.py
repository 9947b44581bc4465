"""A fleet under fire: three server processes on one database, and those who place orders."""

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

from ..servers import ROOT, ServerProcess, free_port, running_server
from .clients import Client, Received
from .cluster import Cluster, running_cluster
from .people import Person
from .proxy import Proxy, running_proxy
from .writers import COMMITTED, NOTE, ROLLED_BACK

DATABASE = "postgres"
SERVERS = 3
PROCESSES_OF_WRITERS = 2


class PublishedEvent(NamedTuple):
    """A row of the log."""

    position: int
    recipient: str
    data: str

    @property
    def key(self) -> str:
        """By which its writer knows it."""
        fields = json.loads(self.data)
        return f"{fields['product']} {fields['status']}"


class Server:
    """One of the fleet, always on the same port, in whichever process."""

    def __init__(self, database_url: str, settings: str) -> None:
        self.port = free_port()
        self.process: ServerProcess | None = None
        self._environment = {"DATABASE_URL": database_url, "DJANGO_SETTINGS_MODULE": settings}
        self._running: AbstractContextManager[ServerProcess] | None = None

    def start(self) -> None:
        self._running = running_server("daphne", port=self.port, **self._environment)
        self.process = self._running.__enter__()

    def kill(self) -> None:
        """SIGKILL: no last word to anyone."""
        self.process.process.kill()
        self.process.process.wait()

    def stop(self) -> None:
        if self._running is not None:
            self._running.__exit__(None, None, None)


class Writers:
    """The processes that place orders, and what they say about it."""

    def __init__(self, fleet: "Fleet", name: str, *, count: int, events: int, pause: float) -> None:
        self._outcomes: list[tuple[str, list[str]]] = []
        each = count // PROCESSES_OF_WRITERS
        self._processes = [
            subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.storm.writers", "--seed", name),
                    *("--first", str(number * each), "--count", str(each)),
                    *("--events", str(events), "--pause", str(pause)),
                ],
                cwd=ROOT,
                env={**os.environ, **fleet.environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(PROCESSES_OF_WRITERS)
        ]
        self._readers = [
            threading.Thread(target=self._read, args=[process], name="outcomes")
            for process in self._processes
        ]
        self._grown = threading.Condition()
        for reader in self._readers:
            reader.start()

    def _read(self, process: subprocess.Popen) -> None:
        for line in process.stdout:
            with self._grown:
                self._outcomes.append(tuple(json.loads(line)))
                self._grown.notify_all()

    def wait_for(self, committed: int, seconds: float = 60) -> None:
        """Until so many events have been committed since they began, or since this moment."""
        with self._grown:
            goal = len(self.events(COMMITTED)) + committed
            reached = self._grown.wait_for(lambda: len(self.events(COMMITTED)) >= goal, seconds)
        assert reached, f"{len(self.events(COMMITTED))} of {goal} events in {seconds} s"

    def finish(self, *, at_once: bool = False) -> None:
        """Wait for their end. at_once: they are told to end, after what they are at."""
        for process in self._processes:
            if at_once:
                process.stdin.close()
            assert process.wait(600) == 0
            process.stdin.close()
        for reader in self._readers:
            reader.join()

    def kill(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
            process.stdin.close()
        for reader in self._readers:
            reader.join()
        for process in self._processes:
            process.stdout.close()

    def events(self, outcome: str) -> set[str]:
        return {key for told, keys in self._outcomes if told == outcome for key in keys}


class Fleet:
    def __init__(self, cluster: Cluster, proxy: Proxy, people: list[Person], settings: str) -> None:
        self.cluster = cluster
        # Between the last server and the database.
        self.proxy = proxy
        self.people = people
        self.customers = [person for person in people if not person.is_staff]
        self.staff = [person for person in people if person.is_staff]
        self.environment = {
            "DATABASE_URL": cluster.url(DATABASE),
            "DJANGO_SETTINGS_MODULE": settings,
        }
        ports = [cluster.port] * (SERVERS - 1) + [proxy.port]
        self.servers = [Server(cluster.url(DATABASE, port), settings) for port in ports]

    def query(self, statement: str, *parameters: object) -> list[tuple]:
        with self.cluster.connect(DATABASE) as connection:
            return connection.execute(statement, parameters).fetchall()

    def position(self) -> int:
        """How far the stream has come."""
        rows = self.query("SELECT position FROM realtime_stream WHERE name = 'orders'")
        return rows[0][0] if rows else 0

    def waiting(self) -> int:
        """How many events have no number yet."""
        return self.query("SELECT count(*) FROM realtime_outbox")[0][0]

    def published(self, after: int) -> list[PublishedEvent]:
        rows = self.query(
            "SELECT position, recipient, data FROM realtime_event "
            "WHERE stream = 'orders' AND position > %s ORDER BY position",
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
        writers = Writers(self, name, count=count, events=events, pause=pause)
        try:
            yield writers
        finally:
            writers.kill()


def meant_for(person: Person, events: list[PublishedEvent]) -> list[Received]:
    return [
        Received(event.position, event.data)
        for event in events
        if person.is_staff or event.recipient == person.recipient
    ]


def check_log(fleet: Fleet, writers: Writers, events: list[PublishedEvent], name: str) -> None:
    """The log holds what was committed, once each, and nothing else.

    Whoever lost the connection during COMMIT does not know. The orders do: an event is there if,
    and only if, what it tells of is.
    """
    assert fleet.waiting() == 0
    times = Counter(event.key for event in events)
    assert not [key for key, count in times.items() if count > 1]
    assert not writers.events(COMMITTED) - times.keys()
    assert not writers.events(ROLLED_BACK) & times.keys()
    orders = fleet.query(
        "SELECT product, status FROM orders_order WHERE product LIKE %s", f"{name}/%"
    )
    told = {f"{product} placed" for product, _ in orders}
    told |= {f"{product} {status}" for product, status in orders}
    assert {key for key in times if not key.endswith(NOTE)} == told


def check_client(client: Client, events: list[PublishedEvent]) -> None:
    """It got what is meant for it, each once, in order."""
    assert client.resets == []
    assert client.received == meant_for(client.person, events)


@contextmanager
def open_fleet(folder: Path, settings: str) -> Iterator[Fleet]:
    with running_cluster(folder) as cluster, running_proxy(cluster.port) as proxy:
        environment = {
            "DATABASE_URL": cluster.url(DATABASE),
            "DJANGO_SETTINGS_MODULE": settings,
        }
        people = subprocess.run(
            [sys.executable, "-m", "tests.storm.people"],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        fleet = Fleet(cluster, proxy, [Person(*each) for each in json.loads(people)], settings)
        try:
            fleet.start_servers()
            yield fleet
        finally:
            fleet.stop_servers()
