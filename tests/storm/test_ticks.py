"""A thousand ticks a second on one key: some rows of the log, and pages that show the newest."""

import asyncio
import json
import signal
import socket
import time
from contextlib import ExitStack, asynccontextmanager, contextmanager

import pytest
from django.db import connection

import realtime
from realtime import Topic
from realtime.log.cursor import START
from tests.realtime.conftest import in_thread
from tests.servers import free_port, running_server
from tests.waiting import until
from tools.crowd import Crowd
from tools.event_source import Parser

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("kind", ["daphne", "uvicorn"])]

SETTINGS = "tests.storm.many_settings"
SECONDS = 60  # for whatever takes long, on a machine that has other work
TICKS_A_SECOND = 1_000
ROWS_A_SECOND = 50
JOB = Topic("test", "7")
# So that a page that reads nothing has the buffers on its way full after some of them.
PAD = "x" * 32_768


def tick_all(ticks):
    """As a job would, one call each, so many a second if this machine can; the seconds it took."""
    began = due = time.monotonic()
    with connection.cursor() as cursor:
        # How many are numbered is the question, not how many commits this disk takes.
        cursor.execute("SET synchronous_commit = off")
    for number in range(1, ticks + 1):
        data = {"n": number, "pad": PAD}
        realtime.publish(to=JOB, type="progress", data=data, latest="progress", stream="default")
        due += 1 / TICKS_A_SECOND
        time.sleep(max(0.0, due - time.monotonic()))
    return time.monotonic() - began


def number_in(data):
    return json.loads(data)["n"]


@asynccontextmanager
async def job_page(server, cursor=None):
    """A page that comes back as a browser does; what it is told is in the list it gives."""
    seen = []

    def take(data):
        seen.append(number_in(data))
        return 0.0

    url = f"{server.url}/follow/{JOB.key}/1/"
    async with Crowd([url], take, cursor) as crowd:
        await crowd.open([{}])
        yield seen
    assert not crowd.resets


@contextmanager
def unread_page(server):
    """A page that has asked for its stream and reads nothing yet: its socket."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(SECONDS)
        client.connect(("127.0.0.1", server.port))
        client.sendall(f"GET /follow/{JOB.key}/1/ HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        yield client


def read_through(client, last):
    """The numbers that an unread page is told up to this one, once it reads."""
    parser, seen = Parser(), []
    while not seen or seen[-1] != last:
        received = client.recv(1 << 16)
        assert received, f"the server has hung up after {seen[-1:]}"
        # The answer's head ends as a block does, if with carriage returns.
        blocks = parser.feed(received.replace(b"\r\n", b"\n"))
        seen += [number_in(block.data) for block in blocks if block.type == "progress"]
    return seen


def log_of_the_job():
    """How far the stream has come, and what is left of the job's events."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT position FROM realtime_stream WHERE name = 'default'),"
            " ARRAY(SELECT data FROM realtime_event WHERE topic = %s AND data IS NOT NULL)",
            [realtime.topic_of(JOB)],
        )
        position, living = cursor.fetchone()
    return position, [number_in(data) for data in living]


async def test_a_thousand_ticks_a_second_are_some_rows_for_every_kind_of_page(
    processes, transactional_db, kind
):
    ticks = 10 * TICKS_A_SECOND
    with (
        running_server(kind, DJANGO_SETTINGS_MODULE=SETTINGS) as site,
        unread_page(site) as unread,
    ):
        async with job_page(site) as early:
            ticking = asyncio.create_task(in_thread(tick_all, ticks), name="ticks")
            await until(lambda: early and early[-1] > ticks / 2, SECONDS)
            at_least = early[-1]
            async with job_page(site, str(START)) as late:
                await until(lambda: late)
                assert late[0] >= at_least, "it wasn't right at once"
                seconds = await ticking
                await until(lambda: early[-1] == late[-1] == ticks, SECONDS)
        slow = await asyncio.to_thread(read_through, unread, ticks)
    rows, living = await in_thread(log_of_the_job)
    print(
        f"{ticks / seconds:.0f} ticks a second for {seconds:.1f} s: {rows / seconds:.1f} rows a "
        f"second; {len(early)} values on a page, {len(slow)} on one that didn't read"
    )
    assert living == [ticks]
    assert rows < ROWS_A_SECOND * seconds
    for seen in (early, late, slow):
        assert seen == sorted(set(seen)), "it ran backwards"
    assert len(slow) < len(early) / 2


async def test_a_server_killed_amid_the_ticks_loses_nothing_that_matters(
    processes, transactional_db, kind
):
    ticks, port = 5 * TICKS_A_SECOND, free_port()
    with ExitStack() as servers:

        def start():
            return servers.enter_context(
                running_server(kind, port=port, DJANGO_SETTINGS_MODULE=SETTINGS)
            )

        server = start()
        async with job_page(server) as seen:
            ticking = asyncio.create_task(in_thread(tick_all, ticks), name="ticks")
            await until(lambda: seen and seen[-1] > ticks / 4, SECONDS)
            server.process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(server.process.wait)
            told_by_then = len(seen)
            server = await asyncio.to_thread(start)
            async with job_page(server, str(START)) as late:
                await ticking
                await until(lambda: seen[-1] == ticks and late[-1:] == [ticks], SECONDS)
    assert len(seen) > told_by_then
    for each in (seen, late):
        assert each == sorted(set(each)), "it ran backwards"
    assert (await in_thread(log_of_the_job))[1] == [ticks]
