"""What docs/scale.md reckons with: `python -m benchmarks.scale`. Two minutes, on all cores.

What one stream's numbering carries, what hints cost with more and more processes listening, what
each process that follows a stream costs itself and PostgreSQL, and what an event takes on disk.
"""

import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from realtime.postgres.embedded import binaries

from . import database, django_site, machine
from .cores import Cores
from .database import Database
from .site import ours
from .streams import streams_to

NUMBERED = 50_000
BATCHES = (1, 10, 100, 1000)
LISTENERS = (0, 1, 4, 16, 64)
HINT_CLIENTS = 8
HINT_SECONDS = 5
PROCESSES = (1, 2, 4, 8)
ORDERS_PER_SECOND = 500
FOLLOW_SECONDS = 8
STORED = 200_000
HINT = "SELECT pg_notify('realtime_pending', 'default')"
NUMBER = "SELECT moved FROM realtime_number_events('default', %s, 4, '100 ms')"


def main() -> None:
    machine.open_files()
    cores = Cores.of_this_machine()
    with database.new_database(cores.all) as ours_database:
        django_site.set_up(ours_database)
        print("Numbering, events a second of one stream:")
        for batch in BATCHES:
            print(f"  in batches of {batch:>4}: {_numbered_a_second(ours_database, batch):>8,.0f}")
        print("Hints, a second:")
        for listeners in LISTENERS:
            with _listening(ours_database, listeners):
                rate = _hints_a_second(ours_database)
            print(f"  with {listeners:>2} listeners: {rate:>8,.0f}")
        print(f"Following, at {ORDERS_PER_SECOND} orders a second, ms of CPU for each order:")
        for processes in PROCESSES:
            server, postgres = _follow(ours_database, cores, processes)
            print(
                f"  with {processes} processes: {server:.3f} in each of them, "
                f"{postgres:.3f} in PostgreSQL"
            )
        table, indexes = _bytes_an_event()
        print(f"On disk, bytes an event: {table:.0f} in the table, {indexes:.0f} in its indexes")


def _numbered_a_second(on: Database, batch: int) -> float:
    from . import people, placing

    customers = people.customers(100)
    count = min(NUMBERED, batch * 500)
    while count > 0:
        placing.in_sql(min(1000, count), customers)
        count -= 1000
    numbered = 0
    with on.connect() as connection:
        began = time.monotonic()
        while moved := connection.execute(NUMBER, [batch]).fetchone()[0]:
            numbered += moved
        return numbered / (time.monotonic() - began)


@contextmanager
def _listening(on: Database, count: int) -> Iterator[None]:
    """So many sessions that are told of each hint, and read it."""
    stop = threading.Event()

    def listen() -> None:
        with on.connect() as connection:
            connection.execute("LISTEN realtime_pending")
            ready.release()
            while not stop.is_set():
                for _ in connection.notifies(timeout=0.1):
                    pass

    ready = threading.Semaphore(0)
    threads = [threading.Thread(target=listen, name="listen") for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        for _ in threads:
            ready.acquire()
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _hints_a_second(on: Database) -> float:
    with tempfile.TemporaryDirectory(prefix="hints-") as folder:
        script = Path(folder) / "hint.sql"
        script.write_text(f"{HINT};\n")
        command = [
            *(binaries.installed() / "pgbench", "--no-vacuum", f"--file={script}"),
            *(f"--client={HINT_CLIENTS}", f"--time={HINT_SECONDS}", on.url_for("writers")),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.partition("tps = ")[2].split()[0])


def _follow(on: Database, cores: Cores, processes: int) -> tuple[float, float]:
    """Milliseconds of CPU for each order: of a server process, and of PostgreSQL."""
    from . import people, placing

    customers = people.customers(100)
    with ExitStack() as resources:
        sites = []
        for number in range(processes):
            site = resources.enter_context(
                ours(on, "daphne", cores.all, name=f"ours-daphne-{number}")
            )
            sites.append(site)
            streams = resources.enter_context(streams_to(site.port, cores.all))
            streams.open(site.requests(1))
        time.sleep(1)
        before = [site.process.cpu_seconds for site in sites], on.cpu_seconds()
        placed = placing.place(ORDERS_PER_SECOND, FOLLOW_SECONDS, customers)
        time.sleep(0.5)
        servers = [
            site.process.cpu_seconds - busy for site, busy in zip(sites, before[0], strict=True)
        ]
        postgres = on.cpu_seconds() - before[1]
    return 1000 * sum(servers) / processes / placed.events, 1000 * postgres / placed.events


def _bytes_an_event() -> tuple[float, float]:
    from django.db import connection

    from .measurements import log_size

    log_size.fill(STORED)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_table_size('realtime_event'), pg_indexes_size('realtime_event')")
        table, indexes = cursor.fetchone()
    return table / STORED, indexes / STORED


if __name__ == "__main__":
    main()
