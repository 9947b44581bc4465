"""Streams that are opened and closed by the hundred and the thousand leave nothing behind."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from tests.clients import STREAM, WAIT_SECONDS, bearer
from tests.realtime.resources import SESSIONS_OF_A_HUB, THREADS_OF_A_PROCESS, Resources
from tests.servers import ServerProcess, running_server
from tests.waiting import wait_until

from .collecting import ADDRESS

AT_ONCE = 40  # a user may have 50


async def visit(server, headers, turns):
    """Open a stream, read its opening, leave."""
    async with turns:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        lines = [f"GET {STREAM} HTTP/1.1", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        assert (await reader.readuntil(b"retry: ")).startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()


async def visits(server, headers, count):
    turns = asyncio.Semaphore(AT_ONCE)
    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(visit(server, headers, turns))


@pytest.fixture
def server(transactional_db, processes) -> Iterator[ServerProcess]:
    application = "tests.realtime.hub.collecting:application"
    with running_server("daphne", application=application) as server:
        yield server


def objects(server):
    """How many are left of visits, see collecting.py."""
    return int(httpx.get(server.url + ADDRESS, timeout=WAIT_SECONDS).text)


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_hundreds_of_visits_leave_nothing_behind(server, alice, sessions, count):
    resources, headers = Resources(server), bearer(alice)
    at_first = objects(server)
    asyncio.run(visits(server, headers, 200))  # whatever is made once is made now
    wait_until(lambda: sessions() <= SESSIONS_OF_A_HUB)
    open_files = resources.open_files
    growth = []
    # A process grows to its working size by megabytes at a time, and then no more; what is left
    # behind by each visit makes it grow every time. What one idle stream takes is 15 kB and more.
    while not growth or growth[-1] >= 300 * count:
        assert len(growth) < 12, growth
        memory = resources.memory
        asyncio.run(visits(server, headers, count))
        wait_until(
            lambda: resources.open_files <= open_files, otherwise=lambda: resources.open_files
        )
        # One of each visit would be too many.
        wait_until(lambda: objects(server) < at_first + count, otherwise=lambda: objects(server))
        growth.append(resources.memory - memory)
    assert resources.threads <= THREADS_OF_A_PROCESS
    wait_until(lambda: sessions() <= SESSIONS_OF_A_HUB)
    assert not [line for line in server.output if "Traceback" in line]
