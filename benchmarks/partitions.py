"""What docs/howto/partitions.md reckons with: `python -m benchmarks.partitions [events]`.

The log as it is, and by range of positions, one after the other on a PostgreSQL of its own: how
long nine tenths of it take to prune, how large it is before and after, and what numbering an event
and replaying a topic cost. Ten million events take some ten minutes and 8 GB of disk.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from tests.storm.cluster import Cluster, running_cluster

EVENTS = 10_000_000
PARTITIONS = 10
TOPICS = 10_000
NUMBERED = 500
REPLAYS = 200
BATCH_ROWS = 5000  # as in realtime/log/retention.py

FILL = """
    INSERT INTO realtime_event (stream, position, mark, topic, type, data, key)
    SELECT 'orders', position, 7, 'auth.user:' || position::bigint * 7919 %% %s, 'orders',
        '"' || repeat('x', 163) || '"', ''
    FROM generate_series(%s, %s) AS position
"""
WAITING = """
    INSERT INTO realtime_outbox (stream, topic, type, data, key)
    SELECT 'orders', 'auth.user:' || n, 'orders', '"x"', %s FROM generate_series(1, %s) AS n
"""
NUMBER = "SELECT moved FROM realtime_number_events('orders', 1, 100, NULL)"
SIZE = """
    SELECT sum(pg_total_relation_size(oid)) FROM pg_class
    WHERE relkind = 'r' AND relname ~ '^realtime_event'
"""


def main() -> None:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    with (
        TemporaryDirectory(dir="/tmp") as folder,
        running_cluster(Path(folder) / "cluster") as cluster,
    ):
        for layout in ("plain", "partitions"):
            with cluster.connect("postgres") as administrator:
                administrator.execute(f"CREATE DATABASE {layout}")
            migrate(cluster, layout)
            with psycopg.connect(
                cluster.url(layout), autocommit=True, cursor_factory=psycopg.ClientCursor
            ) as session:
                if layout == "partitions":
                    partition(session, events)
                print(f"\n{layout}, {events:,} events:", flush=True)
                measure(session, layout, events)
            with cluster.connect("postgres") as administrator:
                administrator.execute(f"DROP DATABASE {layout} WITH (FORCE)")


def migrate(cluster: Cluster, database: str) -> None:
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "realtime", "--verbosity=0"],
        env={**os.environ, "DATABASE_URL": cluster.url(database)},
        check=True,
    )


def partition(session: psycopg.Connection, events: int) -> None:
    """As docs/howto/partitions.md does, of a log that is empty."""
    session.execute("ALTER TABLE realtime_event RENAME TO old")
    session.execute(
        "CREATE TABLE realtime_event (LIKE old INCLUDING DEFAULTS INCLUDING CONSTRAINTS) "
        "PARTITION BY RANGE (position)"
    )
    session.execute("DROP TABLE old")
    session.execute("ALTER TABLE realtime_event ADD PRIMARY KEY (stream, position)")
    session.execute(
        "CREATE INDEX ON realtime_event (stream, topic, position) WHERE data IS NOT NULL"
    )
    session.execute(
        "CREATE INDEX ON realtime_event (stream, topic, key) WHERE data IS NOT NULL AND key <> ''"
    )
    width = events // PARTITIONS
    for number in range(PARTITIONS + 1):
        session.execute(
            f"CREATE TABLE realtime_event_{number} PARTITION OF realtime_event "
            f"FOR VALUES FROM ({number * width + (number > 0)}) TO ({(number + 1) * width + 1})"
        )


def measure(session: psycopg.Connection, layout: str, events: int) -> None:
    began = time.monotonic()
    for first in range(1, events + 1, 500_000):
        session.execute(FILL, [TOPICS, first, min(first + 499_999, events)])
    session.execute("INSERT INTO realtime_stream VALUES ('orders', %s, 7, 0, NULL)", [events])
    session.execute("VACUUM ANALYZE realtime_event")
    session.execute("CHECKPOINT")
    print(f"  filled in {time.monotonic() - began:.0f} s")
    for what, key in (("an event", ""), ("an event with a key (latest)", "k")):
        session.execute(WAITING, [key, NUMBERED])
        session.execute("ANALYZE realtime_outbox")
        took = timed(session, NUMBER, NUMBERED)
        print(f"  numbering {what}: {took:.2f} ms")
    print(f"  replaying a topic: {replay(session, events):.2f} ms")
    print(f"  size: {size(session):,.0f} MB")
    through = events * 9 // 10
    if layout == "plain":
        seconds, longest = prune_by_deleting(session, through)
        print(f"  pruning 90 % by deleting: {seconds:.1f} s, the longest batch {longest:.2f} s")
        print(f"  size after it: {size(session):,.0f} MB")
        began = time.monotonic()
        session.execute("VACUUM realtime_event")
        print(f"  VACUUM: {time.monotonic() - began:.1f} s, size {size(session):,.0f} MB")
    else:
        seconds, longest = prune_by_dropping(session, through, events // PARTITIONS)
        print(f"  pruning 90 % by dropping: {seconds:.2f} s, the longest {longest:.3f} s")
        print(f"  size after it: {size(session):,.0f} MB", flush=True)


def timed(session: psycopg.Connection, statement: str, times: int) -> float:
    began = time.monotonic()
    for _ in range(times):
        session.execute(statement)
    return (time.monotonic() - began) / times * 1000


def replay(session: psycopg.Connection, events: int) -> float:
    from realtime.log.sql import load

    statement = load("replay_topics")
    began = time.monotonic()
    for number in range(REPLAYS):
        session.execute(
            statement,
            {
                "stream": "orders",
                "topics": [f"auth.user:{number * 31 % TOPICS}"],
                # The last hundred of a topic, which has one event in ten thousand.
                "after": max(0, events - 100 * TOPICS),
                "through": events,
                "batch_rows": 500,
                "batch_bytes": 1_000_000,
            },
        ).fetchall()
    return (time.monotonic() - began) / REPLAYS * 1000


def size(session: psycopg.Connection) -> float:
    [size] = session.execute(SIZE).fetchone()
    return float(size) / 1e6


def prune_by_deleting(session: psycopg.Connection, through: int) -> tuple[float, float]:
    began, longest = time.monotonic(), 0.0
    for after in range(0, through, BATCH_ROWS):
        batch_began = time.monotonic()
        reached = min(after + BATCH_ROWS, through)
        with session.transaction():
            session.execute(
                "DELETE FROM realtime_event "
                "WHERE stream = 'orders' AND position > %s AND position <= %s",
                [after, reached],
            )
            session.execute("UPDATE realtime_stream SET pruned_through = %s", [reached])
        longest = max(longest, time.monotonic() - batch_began)
    return time.monotonic() - began, longest


def prune_by_dropping(session: psycopg.Connection, through: int, width: int) -> tuple[float, float]:
    began, longest = time.monotonic(), 0.0
    for number in range(through // width):
        each_began = time.monotonic()
        with session.transaction():
            session.execute(
                "UPDATE realtime_stream SET pruned_through = %s", [(number + 1) * width]
            )
            session.execute(f"DROP TABLE realtime_event_{number}")
        longest = max(longest, time.monotonic() - each_began)
    return time.monotonic() - began, longest


if __name__ == "__main__":
    main()
