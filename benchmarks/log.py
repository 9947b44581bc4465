"""What a long log costs: `python -m benchmarks.log [events]`. Ten million: 20 minutes, 9 GB.

On a PostgreSQL of its own, one after the other: a short log, a long one, and one as long by range
of positions (docs/scale.md). Replays are by the code that a server runs.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import django
import psycopg

from tests.storm.cluster import Cluster, running_cluster

EVENTS, SHORT = 10_000_000, 10_000
PARTITIONS = 10
TOPICS = 10_000
FOLLOWED = 100
NUMBERED = 500
ROUNDS = 100
BATCH_ROWS = 5000  # as in realtime/log/retention.py

FILL = """
    INSERT INTO realtime_event (stream, position, mark, topic, type, data, key)
    SELECT 'default', position, 7, 'test:' || position * 7919 %% %s, 'news',
        '"' || repeat('x', 163) || '"', ''
    FROM generate_series(%s::bigint, %s) AS position
"""
WAITING = """
    INSERT INTO realtime_outbox (stream, topic, type, data, key)
    SELECT 'default', 'test:' || n, 'news', '"x"', %s FROM generate_series(1, %s) AS n
"""
NUMBER = "SELECT moved FROM realtime_number_events('default', 1, 100, NULL)"
SIZE = """
    SELECT sum(pg_total_relation_size(oid)) FROM pg_class
    WHERE relkind = 'r' AND relname ~ '^realtime_event'
"""
# As a DBA would do it below the library: docs/scale.md.
PARTITION = """
    ALTER TABLE realtime_event RENAME TO old;
    CREATE TABLE realtime_event (LIKE old INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
        PARTITION BY RANGE (position);
    DROP TABLE old;
    ALTER TABLE realtime_event ADD PRIMARY KEY (stream, position);
    CREATE INDEX ON realtime_event (stream, topic, position) WHERE data IS NOT NULL;
    CREATE INDEX ON realtime_event (stream, topic, key) WHERE data IS NOT NULL AND key <> '';
"""


def main() -> None:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    with (
        TemporaryDirectory(dir="/tmp") as folder,
        running_cluster(Path(folder) / "cluster") as cluster,
    ):
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": cluster.url("postgres"),
        }
        django.setup()
        for layout, count in (("short", SHORT), ("long", events), ("partitions", events)):
            measure(cluster, layout, count)


def measure(cluster: Cluster, layout: str, events: int) -> None:
    with cluster.connect("postgres") as administrator:
        administrator.execute(f"CREATE DATABASE {layout}")
    url = cluster.url(layout)
    migrate = ["manage.py", "migrate", "realtime", "--verbosity=0"]
    environment = {**os.environ, "DATABASE_URL": url}
    subprocess.run([sys.executable, *migrate], env=environment, check=True)
    topics = min(TOPICS, events // 100)
    with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as session:
        if layout == "partitions":
            partition(session, events)
        print(f"\n{layout}: {events:,} events of {topics:,} topics", flush=True)
        fill(session, events, topics)
        for what, key in (("an event", ""), ("an event with a key (latest)", "k")):
            session.execute(WAITING, [key, NUMBERED])
            session.execute("ANALYZE realtime_outbox")
            took = seconds(lambda: [session.execute(NUMBER) for _ in range(NUMBERED)])
            print(f"  numbering {what}: {took / NUMBERED * 1000:.2f} ms")
        asyncio.run(replays(url, events, topics))
        if layout != "short":
            prune(session, layout, events)
    with cluster.connect("postgres") as administrator:
        administrator.execute(f"DROP DATABASE {layout} WITH (FORCE)")


def partition(session: psycopg.Connection, events: int) -> None:
    session.execute(PARTITION)
    width = events // PARTITIONS
    for number in range(PARTITIONS + 1):
        session.execute(
            f"CREATE TABLE realtime_event_{number} PARTITION OF realtime_event "
            f"FOR VALUES FROM ({number * width + 1}) TO ({(number + 1) * width + 1})"
        )


def fill(session: psycopg.Connection, events: int, topics: int) -> None:
    session.execute("SET synchronous_commit = off")
    for first in range(1, events + 1, 500_000):
        session.execute(FILL, [topics, first, min(first + 499_999, events)])
    session.execute(
        "INSERT INTO realtime_stream (name, position, mark, pruned_through)"
        " VALUES ('default', %s, 7, 0)",
        [events],
    )
    session.execute("RESET synchronous_commit")
    session.execute("VACUUM ANALYZE")
    session.execute("CHECKPOINT")


async def replays(url: str, events: int, topics: int) -> None:
    """A hundred events of one topic, and as many of each of one and of a hundred topics."""
    from realtime.hub.replays import Replays
    from realtime.log.event_log import EventLog
    from realtime.postgres.connections import direct_parameters

    async def parameters() -> Any:
        return direct_parameters(url)

    source = Replays(EventLog(60.0), parameters, 60.0)
    try:
        for followed, each in ((1, 100), (FOLLOWED, 1), (FOLLOWED, 100)):
            if followed > topics or each * topics > events:
                continue
            taken = []
            for turn in range(-3, ROUNDS if followed * each <= 100 else ROUNDS // 10):
                names = [f"test:{(turn * FOLLOWED + n) % topics}" for n in range(followed)]
                took = await replay(source, names, each, events, topics)
                taken += [took * 1000] if turn >= 0 else []  # the first three warm up
            print(f"  {each} events of each of {followed}: {statistics.median(taken):.2f} ms")
    finally:
        await source.close()


async def replay(source: Any, names: Sequence[str], each: int, events: int, topics: int) -> float:
    """Seconds to read the last so many of each of these topics, batch after batch."""
    from realtime.log.cursor import Cursor

    cursor, through, told = Cursor(events - each * topics, 7), Cursor(events, 7), 0
    began = time.perf_counter()
    while cursor != through:
        read = await source.read("default", tuple(names), after=cursor, through=through)
        told += read.chunk.count(b"event: news\n")
        cursor = read.cursor
    if told != each * len(names):
        raise RuntimeError(f"{told} of {each * len(names)} missed events came back.")
    return time.perf_counter() - began


def prune(session: psycopg.Connection, layout: str, events: int) -> None:
    """Nine tenths, as `prune_events` does or by partition; what it takes, and the size after it."""
    print(f"  size: {size(session):,.0f} MB", flush=True)
    through, width = events * 9 // 10, events // PARTITIONS
    step = BATCH_ROWS if layout == "long" else width
    taken = []
    for after in range(0, through, step):

        def remove(first: int = after, last: int = min(after + step, through)) -> None:
            with session.transaction():
                session.execute("UPDATE realtime_stream SET pruned_through = %s", [last])
                if layout == "partitions":
                    session.execute(f"DROP TABLE realtime_event_{first // width}")
                else:
                    session.execute(
                        "DELETE FROM realtime_event WHERE stream = 'default'"
                        " AND position > %s AND position <= %s",
                        [first, last],
                    )

        taken.append(seconds(remove))
    print(f"  pruning 90 %: {sum(taken):.1f} s, at most {max(taken):.2f} s at a time")
    vacuum = seconds(lambda: session.execute("VACUUM realtime_event"))
    print(f"  VACUUM after it: {vacuum:.1f} s, size {size(session):,.0f} MB", flush=True)


def size(session: psycopg.Connection) -> float:
    [size] = session.execute(SIZE).fetchone()
    return float(size) / 1e6


def seconds(work: Callable[[], Any]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


if __name__ == "__main__":
    main()
