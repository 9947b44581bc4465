"""What it costs to follow a hundred topics: `python -m benchmarks.topics [events]`.

Replays from a log of ten million events of ten thousand topics, by the code that a server runs, on
a PostgreSQL of its own; and the plan. Ten million events take some five minutes and 5 GB of disk.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import django
import psycopg

from tests.storm.cluster import Cluster, running_cluster

EVENTS = 10_000_000
TOPICS = 10_000
FOLLOWED = 100
ROUNDS = 100

FILL = """
    INSERT INTO realtime_event (stream, position, mark, topic, type, data, key)
    SELECT 'default', position, 7, 'test:' || position * 7919 %% %s, 'news',
        '"' || repeat('x', 163) || '"', ''
    FROM generate_series(1::bigint, %s) AS position
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
        migrate = ["manage.py", "migrate", "realtime", "--verbosity=0"]
        subprocess.run([sys.executable, *migrate], check=True)
        django.setup()
        fill(cluster, events)
        asyncio.run(measure(cluster, events))
        print(plan(cluster, events))


def fill(cluster: Cluster, events: int) -> None:
    with cluster.connect("postgres") as session:
        began = time.monotonic()
        session.execute("SET synchronous_commit = off")
        psycopg.ClientCursor(session).execute(FILL, [TOPICS, events])
        session.execute("INSERT INTO realtime_stream VALUES ('default', %s, 7, 0)", [events])
        session.execute("VACUUM ANALYZE")
        session.execute("CHECKPOINT")
        print(f"{events:,} events of {TOPICS:,} topics in {time.monotonic() - began:.0f} s")


def followed(count: int, turn: int) -> list[str]:
    """So many topics, others at each turn."""
    return [f"test:{(turn * FOLLOWED + number) % TOPICS}" for number in range(count)]


async def measure(cluster: Cluster, events: int) -> None:
    from realtime.hub.replays import Replays
    from realtime.log.event_log import EventLog
    from realtime.postgres.connections import direct_parameters

    async def parameters() -> Any:
        return direct_parameters(cluster.url("postgres"))

    replays = Replays(EventLog(60.0), parameters, 60.0)
    try:
        for missed_of_each, rounds in ((1, ROUNDS), (100, ROUNDS // 10)):
            one, many = [], []
            for turn in range(-3, rounds):  # three to warm up
                # One topic that missed as much as a hundred did together, where it has so much.
                of_one = min(missed_of_each * FOLLOWED, events // TOPICS)
                seconds_of_one = await replay(replays, followed(1, turn), of_one, events)
                seconds_of_many = await replay(
                    replays, followed(FOLLOWED, turn), missed_of_each, events
                )
                if turn >= 0:
                    one.append(seconds_of_one / of_one)
                    many.append(seconds_of_many / (missed_of_each * FOLLOWED))
            report(one, of_one, many, missed_of_each * FOLLOWED)
    finally:
        await replays.close()


def report(one: Sequence[float], of_one: int, many: Sequence[float], of_many: int) -> None:
    each_of_one, each_of_many = statistics.median(one), statistics.median(many)
    print(
        f"replay of {of_one:,} events of one topic: {each_of_one * of_one * 1000:.2f} ms; "
        f"of {of_many:,} of {FOLLOWED} topics: {each_of_many * of_many * 1000:.2f} ms; "
        f"an event {each_of_many / each_of_one:.2f} times"
    )


async def replay(replays: Any, topics: Sequence[str], of_each: int, events: int) -> float:
    """Seconds to read all that these topics had last, batch after batch as for a client."""
    from realtime.log.cursor import Cursor

    cursor, through = Cursor(events - of_each * TOPICS, 7), Cursor(events, 7)
    told = 0
    began = time.perf_counter()
    while cursor != through:
        read = await replays.read("default", tuple(topics), after=cursor, through=through)
        told += read.chunk.count(b"event: news\n")
        cursor = read.cursor
    seconds = time.perf_counter() - began
    if told != of_each * len(topics):
        raise RuntimeError(f"{told} of {of_each * len(topics)} missed events came back.")
    return seconds


def plan(cluster: Cluster, events: int) -> str:
    """How PostgreSQL reads the hundred topics."""
    from realtime.log.event_log import REPLAY_ROWS
    from realtime.log.sql import load
    from realtime.log.wire import CHUNK_BYTES

    parameters = {
        "stream": "default",
        "topics": followed(FOLLOWED, 0),
        "after": events - TOPICS,
        "through": events,
        "batch_rows": REPLAY_ROWS,
        "batch_bytes": CHUNK_BYTES,
    }
    statement = f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {load('replay_topics')}"
    with cluster.connect("postgres") as session:
        return "\n".join(line for (line,) in session.execute(statement, parameters))


if __name__ == "__main__":
    main()
