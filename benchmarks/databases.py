"""What more than one database takes from a primary: `python -m benchmarks.databases`. 3 minutes.

Ten streams that one process follows, in one, two and ten databases; and a storm of replays from the
table, without and with a standby. In seconds of CPU of each PostgreSQL, all with data of their own
on a disk that they share.
"""

import asyncio
import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, aclosing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import django
import psutil
import psycopg

from tests.storm.cluster import Cluster, running_cluster

from .machine import cpu_seconds

DATABASES = (1, 2, 10)
STREAMS = 10
EVENTS_PER_SECOND = 400
FOLLOW_SECONDS = 10
MISSED = 100
TOPICS = 2000
CLIENTS = 50  # at a time; they take turns at REPLAY_CONNECTIONS
REPLAYS = 6000

FILL = """
    INSERT INTO realtime_event (stream, position, mark, topic, type, data, key)
    SELECT 'replayed', position, 7, 'topic:' || position %% %s, 'x',
        '"' || repeat('x', 163) || '"', ''
    FROM generate_series(1, %s) AS position
"""
PUBLISH = "INSERT INTO realtime_outbox (stream, topic, type, data) VALUES (%s, 'x:7', 'x', '1')"
HINT = "SELECT pg_notify('realtime_pending', %s)"


def main() -> None:
    with ExitStack() as running:
        folder = Path(running.enter_context(TemporaryDirectory(dir="/tmp")))
        clusters = [
            running.enter_context(running_cluster(folder / f"cluster-{number}"))
            for number in range(max(DATABASES))
        ]
        urls = [cluster.url("postgres") for cluster in clusters]
        migrate = [sys.executable, "manage.py", "migrate", "realtime", "--verbosity=0"]
        for url in urls:
            subprocess.run(migrate, env={**os.environ, "DATABASE_URL": url}, check=True)
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings_of_many",
            "DATABASE_URL": urls[0],
            "BENCHMARK_DATABASES": " ".join(urls),
        }
        django.setup()
        for count in DATABASES:
            print(f"{STREAMS} streams in {count}: {asyncio.run(follow(clusters[:count]))}")
        with clusters[0].connect("postgres") as session:
            events = MISSED * TOPICS
            psycopg.ClientCursor(session).execute(FILL, [TOPICS, events])
            session.execute("INSERT INTO realtime_stream VALUES ('replayed', %s, 7, 0)", [events])
            session.execute("VACUUM ANALYZE")
        standby = running.enter_context(running_cluster(folder / "standby", standby_of=clusters[0]))
        for of_use in (False, True, False, True):
            spent = asyncio.run(replay_storm(clusters[0], standby if of_use else None))
            print(f"Replays {'with' if of_use else 'without'} a standby: {spent}", flush=True)


def spent_by(cluster: Cluster) -> float:
    """Seconds of CPU, so far."""
    return cpu_seconds(psutil.Process(cluster._process.pid))


async def replay_storm(primary: Cluster, standby: Cluster | None) -> str:
    from realtime.hub.replays import Replays
    from realtime.log.cursor import START, Cursor
    from realtime.log.event_log import EventLog
    from realtime.postgres.connections import direct_parameters

    def parameters(cluster: Cluster) -> Any:
        async def of_now() -> Any:
            return direct_parameters(cluster.url("postgres"))

        return of_now

    second = None if standby is None else parameters(standby)
    replays = Replays(EventLog(10.0), parameters(primary), 10.0, standby=second)
    through = Cursor(MISSED * TOPICS, 7)
    numbers = iter(range(REPLAYS))

    async def client() -> None:
        for number in numbers:
            topics = (f"topic:{number % TOPICS}",)
            await replays.read("replayed", topics, after=START, through=through)

    before, began = spent_by(primary), time.monotonic()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    seconds = time.monotonic() - began
    spent = spent_by(primary) - before
    await replays.close()
    return f"{REPLAYS} in {seconds:.1f} s, the primary's CPU {spent:.2f} s"


async def follow(clusters: list[Cluster]) -> str:
    """Ten streams spread over these, all written to by a thread and read by one process."""
    from django.conf import settings

    from realtime.hub.hub import Hub
    from realtime.log.topics import EVERYTHING

    aliases = list(settings.DATABASES)[: len(clusters)]
    homes = {f"stream-{number}": number % len(clusters) for number in range(STREAMS)}
    streams = {name: aliases[home] for name, home in homes.items()}
    settings.REALTIME = {**settings.REALTIME, "STREAMS": streams}
    hub = Hub.current()
    told = dict.fromkeys(streams, 0)

    async def read(name: str) -> None:
        cursor = (await hub.catch_up(name)).cursor
        async with aclosing(hub.open_stream(name, EVERYTHING, cursor).chunks()) as chunks:
            async for chunk in chunks:
                told[name] += chunk.count(b"event: x\n")

    readers = [asyncio.create_task(read(name), name=f"read {name}") for name in streams]
    ended = threading.Event()
    writers = [
        threading.Thread(target=write, args=(clusters[home], name, ended), name=f"write {name}")
        for name, home in homes.items()
    ]
    await asyncio.sleep(2)
    before = [spent_by(cluster) for cluster in clusters]
    for writer in writers:
        writer.start()
    await asyncio.sleep(FOLLOW_SECONDS)
    ended.set()
    for writer in writers:
        await asyncio.to_thread(writer.join)
    await asyncio.sleep(0.5)
    spent = [spent_by(cluster) - busy for cluster, busy in zip(clusters, before, strict=True)]
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    await Hub.close_current()
    return (
        f"{sum(told.values())} events in {FOLLOW_SECONDS} s, CPU of PostgreSQL: "
        f"{sum(spent):.2f} s in all, {max(spent):.2f} s the busiest"
    )


def write(cluster: Cluster, stream: str, ended: threading.Event) -> None:
    with cluster.connect("postgres") as session:
        began, written = time.monotonic(), 0
        while not ended.is_set():
            session.execute(PUBLISH, [stream])
            session.execute(HINT, [stream])
            written += 1
            wait = began + written / (EVENTS_PER_SECOND / STREAMS) - time.monotonic()
            if wait > 0:
                time.sleep(wait)


if __name__ == "__main__":
    main()
