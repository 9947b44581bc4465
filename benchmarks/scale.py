"""What docs/scale.md reckons with: `python -m benchmarks.scale`. Two minutes, on all cores.

What a checkout pays in SQL, what one stream's numbering carries, what hints cost with more and
more processes listening, what each process that follows a stream costs itself and PostgreSQL, and
what an event takes on disk.
"""

import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil

from realtime.postgres.embedded import binaries

from . import machine
from .database import Database, new_database
from .machine import ROOT, Cores
from .parts import opened
from .streams import streams_to
from .trees import Tree

NUMBERED = 50_000
BATCHES = (1, 10, 100, 1000)
LISTENERS = (0, 1, 4, 16, 64)
PROCESSES = (1, 2, 4, 8)
FOLLOWED_PER_SECOND = 500
FOLLOW_SECONDS = 8
HINT = "SELECT pg_notify('realtime_pending', 'default');"
NUMBER = "SELECT moved FROM realtime_number_events('default', %s, 4, '100 ms')"
# As the shop's events are.
DATA = """'{"order":1234567,"status":"placed","product":"Espresso cups","quantity":2,'
    '"unit_price":"4.50","total":"9.00","customer":"customer-1",'
    '"placed_at":"2026-11-22T13:59:42.492031Z","changed_at":"2026-11-22T13:59:42.492031Z"}'"""
WAITING = """
    INSERT INTO realtime_outbox (stream, topic, type, data)
    SELECT 'default', 'auth.user:' || n %% 100, 'orders', DATA FROM generate_series(1, %s) AS n
""".replace("DATA", DATA)
# Of one of a hundred customers: 32 orders of the same one at a time would queue for its row.
ORDER = """
    INSERT INTO orders_order (customer_id, product, quantity, unit_price, status, placed_at)
    VALUES ((SELECT id FROM auth_user ORDER BY id OFFSET :customer LIMIT 1), 'Espresso cups', 2,
        4.50, 'placed', statement_timestamp());
"""
# As realtime/log/publishing.py writes an event.
EVENT = """
    INSERT INTO realtime_outbox (stream, topic, type, data)
    VALUES ('default', 'auth.user:1', 'orders', DATA);
""".replace("DATA", DATA)
# As realtime/log/pending_notifications.py notifies. A process that knows of a lease asks no more
# until it is over, ten times a second at most. pgbench has no clock and its clients no common
# memory: here each asks after one order in twenty.
HINT_UNLESS_POLLED = """
    \\set asks random(1, 20)
    \\if not :is_leased or :asks = 1
    SELECT coalesce(
        (SELECT 'true' FROM realtime_pollinglease WHERE stream = 'default'
            AND until BETWEEN clock_timestamp() AND clock_timestamp() + interval '0.2 s'),
        'false' || pg_notify('realtime_pending', 'default')::text
    ) AS is_leased \\gset
    \\endif
"""


def main() -> None:
    machine.allow_many_files()
    cores = Cores.of_this_machine()
    with new_database(cores.all) as database, ExitStack() as resources:
        tree = Tree("this", ROOT, database, Cores(cores.all, cores.all, cores.all))
        resources.callback(tree.close)
        tree.worker.ask("people", kind="customer", count=100)
        print("Checkouts in SQL, a second, 32 writers:")
        with _servers(tree, 1):
            print(f"  with their event: {_pgbench(database, _checkout(EVENT), 32):>8,.0f}")
            print(f"  without:          {_pgbench(database, _checkout(''), 32):>8,.0f}")
        print("Numbering, events a second of one stream:")
        for batch in BATCHES:
            print(f"  in batches of {batch:>4}: {_numbered_a_second(database, batch):>8,.0f}")
        print("Hints, a second:")
        for listeners in LISTENERS:
            with _listening(database, listeners):
                print(f"  with {listeners:>2} listeners: {_pgbench(database, HINT, 8):>8,.0f}")
        print(f"Following {FOLLOWED_PER_SECOND} events a second, ms of CPU for each:")
        for processes in PROCESSES:
            server, postgres = _follow(tree, processes)
            print(f"  with {processes}: {server:.3f} in each, {postgres:.3f} in PostgreSQL")
        with database.connect() as session:
            sizes = session.execute(
                "SELECT pg_table_size('realtime_event') / count(*),"
                " pg_indexes_size('realtime_event') / count(*) FROM realtime_event"
            ).fetchone()
        print("On disk, bytes an event: {} in the table, {} in its indexes".format(*sizes))


def _checkout(event: str) -> str:
    hint = HINT_UNLESS_POLLED if event else ""
    return f"\\set customer random(0, 99)\nBEGIN;{ORDER}{event}COMMIT;\n{hint}"


def _pgbench(database: Database, script: str, clients: int) -> float:
    """Transactions a second. https://www.postgresql.org/docs/current/pgbench.html"""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        command = [
            *(binaries.installed() / "pgbench", "--no-vacuum", f"--file={file.name}"),
            *(f"--client={clients}", "--jobs=2", "--time=5", "--protocol=prepared"),
            "--define=is_leased=false",
            database.url_for("writers"),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"pgbench failed:\n{done.stderr}")
    return float(done.stdout.partition("tps = ")[2].split()[0])


def _numbered_a_second(database: Database, batch: int) -> float:
    numbered = 0
    with database.connect() as session:
        session.execute(WAITING, [min(NUMBERED, batch * 500)])
        began = time.monotonic()
        while moved := session.execute(NUMBER, [batch]).fetchone()[0]:
            numbered += moved
        return numbered / (time.monotonic() - began)


@contextmanager
def _listening(database: Database, count: int) -> Iterator[None]:
    """So many sessions that are told of each hint, and read it."""
    stop, ready = threading.Event(), threading.Barrier(count + 1)

    def listen() -> None:
        with database.connect() as session:
            session.execute("LISTEN realtime_pending")
            ready.wait()
            while not stop.is_set():
                for _ in session.notifies(timeout=0.1):
                    pass

    threads = [threading.Thread(target=listen, name="listen") for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        ready.wait()
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@contextmanager
def _servers(tree: Tree, count: int) -> Iterator[list[psutil.Process]]:
    """So many processes that follow the stream, for one client each."""
    with ExitStack() as resources:
        processes = []
        for _ in range(count):
            server = resources.enter_context(tree.server("daphne"))
            streams = resources.enter_context(streams_to(server.port, tree.cores.all))
            opened(streams, tree.staff(1))
            processes.append(server.process)
        yield processes


def _follow(tree: Tree, count: int) -> tuple[float, float]:
    """Milliseconds of CPU for each event: of a server process, and of PostgreSQL."""
    with _servers(tree, count) as processes, tree.database.connect() as session:
        time.sleep(1)
        servers = sum(machine.cpu_seconds(process) for process in processes)
        postgres = tree.database.cpu_seconds()
        began, events = time.monotonic(), 0
        while (elapsed := time.monotonic() - began) < FOLLOW_SECONDS:
            due = int(elapsed * FOLLOWED_PER_SECOND) - events
            if due:
                session.execute(WAITING, [due])
                session.execute(HINT)
                events += due
            time.sleep(0.01)
        time.sleep(0.5)
        servers = sum(machine.cpu_seconds(process) for process in processes) - servers
        postgres = tree.database.cpu_seconds() - postgres
    return 1000 * servers / count / events, 1000 * postgres / events


if __name__ == "__main__":
    main()
