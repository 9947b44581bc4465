"""A crowd while servers restart, and while some of it has stopped reading."""

import asyncio
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from importlib import import_module

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

import realtime
from tests.clients import STREAM, bearer
from tests.realtime.resources import Resources
from tests.servers import free_port, running_server
from tests.waiting import soon
from tools.crowd import Crowd

SETTINGS = "tests.storm.crowd_settings"
IN_A_HURRY = "tests.storm.crowd_in_a_hurry"


def sent_at(data):
    return float(data.partition('"at":')[2].partition(",")[0])


def crowd_of(ports):
    """Who comes to any of these servers, and has seen nothing yet."""
    return Crowd([f"http://127.0.0.1:{port}{STREAM}" for port in ports], sent_at, last_id="0")


@contextmanager
def stalled_clients(server, user, count):
    """Clients that ask for a stream and then read nothing at all."""
    with ExitStack() as stalled:
        for _ in range(count):
            client = stalled.enter_context(socket.socket())
            # The smallest buffer there is: what they don't read is soon the server's to keep.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", server.port))
            lines = [f"GET {STREAM} HTTP/1.0", "Host: localhost"]
            lines += [f"{name}: {value}" for name, value in bearer(user).items()]
            client.sendall("\r\n".join([*lines, "", ""]).encode())
        yield


@asynccontextmanager
async def steady_events(user, each_second, pad=""):
    """Publish at this rate until the block ends; the number published is in the list it gives."""
    published = []
    is_over = asyncio.Event()

    def publish():
        data = {"at": time.time(), "pad": pad}
        realtime.publish(to=user, type="orders", data=data, stream="default")

    async def run():
        due = time.monotonic()
        # Not cancelled: what a thread publishes meanwhile would not be counted.
        while not is_over.is_set():
            await sync_to_async(publish)()
            published.append(due)
            due += 1 / each_second
            with suppress(TimeoutError):
                await soon(is_over.wait(), max(0, due - time.monotonic()))

    task = asyncio.create_task(run(), name="publisher")
    try:
        yield published
    finally:
        is_over.set()
        await task
        await sync_to_async(connections.close_all)()


def check(crowd, events):
    """Each tab has each event once, in order."""
    assert [client.received for client in crowd.clients] == [events] * len(crowd.clients)
    assert not crowd.doubled
    assert not crowd.resets


@pytest.mark.parametrize(
    ("tabs", "settings_module"),
    [(100, IN_A_HURRY), pytest.param(1000, SETTINGS, marks=pytest.mark.slow)],
)
async def test_processes_restarted_one_after_the_other_lose_nothing(
    processes, transactional_db, alice, tabs, settings_module
):
    """A deploy. The reconnects come spread out, because the streams were closed so."""
    ports = [free_port(), free_port()]
    with ExitStack() as servers:

        def start(port):
            return servers.enter_context(
                running_server("daphne", port=port, DJANGO_SETTINGS_MODULE=settings_module)
            )

        with ThreadPoolExecutor() as threads:
            running = list(threads.map(start, ports))
        async with crowd_of(ports) as crowd:
            await crowd.open([bearer(alice)] * tabs)
            crowd.openings.clear()
            async with steady_events(alice, each_second=5) as published:
                for number, port in enumerate(ports):
                    crowd.endings.clear()
                    await asyncio.to_thread(running[number].stop, signal.SIGTERM, 20)
                    # Without the spreading all of a server's streams would end in the same second.
                    assert max(crowd.endings.values()) <= 0.75 * crowd.endings.total()
                    running[number] = await asyncio.to_thread(start, port)
                    await crowd.all_open(seconds=30)
            await crowd.received_by_each(len(published), seconds=30)
            check(crowd, len(published))
    evenly = tabs / len(ports) / import_module(settings_module).REALTIME["DRAIN_SECONDS"]
    busiest = max(crowd.openings.values())
    print(
        f"{tabs} tabs, 2 restarts, {len(published)} events: {crowd.openings.total()} reconnects, "
        f"at most {busiest} in a second; {evenly:.0f} if a server's were spread evenly over its end"
    )
    # Among a few tabs, chance weighs more.
    assert tabs < 1000 or busiest <= 3 * evenly


@pytest.mark.parametrize(
    ("tabs", "stalled", "each_second", "seconds"),
    [(100, 10, 20, 1), pytest.param(900, 100, 5, 60, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_who_stops_reading_is_not_felt_by_the_others(
    processes, transactional_db, alice, kind, tabs, stalled, each_second, seconds
):
    with running_server(kind, DJANGO_SETTINGS_MODULE=SETTINGS) as server:
        async with crowd_of([server.port]) as crowd:
            await crowd.open([bearer(alice)] * tabs)

            async def measure():
                """The p99 of so many seconds of events of 2 KB."""
                del crowd.latencies[:]
                before = min(client.received for client in crowd.clients)
                events = each_second * seconds
                async with steady_events(alice, each_second, pad="x" * 2048) as published:
                    await crowd.received_by_each(before + events, seconds=2 * seconds)
                await crowd.received_by_each(before + len(published), seconds=30)
                return crowd.percentile(99)

            without = await measure()
            memory = Resources(server).memory
            with stalled_clients(server, alice, stalled):
                beside = await measure()
                grown = Resources(server).memory - memory
        check(crowd, crowd.clients[0].received)
    print(
        f"{kind}: p99 of {tabs} tabs {without * 1000:.0f} ms alone, {beside * 1000:.0f} ms beside "
        f"{stalled} that don't read; {grown / stalled / 1024:.0f} kB for each of those"
    )
    assert grown < stalled * 256 * 1024
    # The short form is too short for a percentile to be more than noise.
    assert beside < (1.5 * without if seconds >= 60 else 5 * without + 0.5)
