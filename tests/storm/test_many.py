"""Ten thousand topics with a client each, one client with a hundred, one topic with ten thousand.

The short forms are of the same shape. One process serves them all, as shipped but for its limits.
"""

import asyncio
import json
import resource
import time
from contextlib import asynccontextmanager
from itertools import count

import pytest

import realtime
from realtime import Topic
from realtime.log.cursor import START
from tests.realtime.conftest import in_thread
from tests.shared_servers import shared_server
from tools.crowd import AT_A_TIME
from tools.event_source import connect

SETTINGS = "tests.storm.many_settings"
MANY = 10_000
FOLLOWED = 100
# The log goes on from test to test, so each has topics of its own: their first number.
firsts = count(0, 2 * MANY)
SECONDS = 60  # for whatever takes long, on a machine that has other work


@pytest.fixture(scope="session")
def many_files(processes):
    """As many open files as this process may have, and those that it starts."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    return limit


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def shared(request, many_files, django_db_setup, django_db_blocker):
    yield from shared_server(django_db_blocker, request.param, DJANGO_SETTINGS_MODULE=SETTINGS)


@pytest.fixture
def site(shared, transactional_db):
    return shared.running()


class Tab:
    """A client that keeps what it is told, and where it is."""

    def __init__(self, server, first, count=1):
        self.data = []
        self.positions = []
        self.last_id = None
        self.resets = 0
        self._url = f"{server.url}/follow/{first}/{count}/"
        self._connection = None

    async def open(self):
        headers = {} if self.last_id is None else {"Last-Event-ID": self.last_id}
        self._connection = await connect(self._url, headers, self._take)

    def close(self):
        if self._connection is not None:
            self._connection.close()

    def _take(self, block):
        self.last_id = block.id or self.last_id
        self.resets += block.type == "reset"
        if block.data and block.type == "news":
            self.data.append(json.loads(block.data))
            self.positions.append(block.position)


@asynccontextmanager
async def opened(tabs):
    turns = asyncio.Semaphore(AT_A_TIME)

    async def open_one(tab):
        async with turns:
            await tab.open()

    try:
        async with asyncio.timeout(2 * SECONDS), asyncio.TaskGroup() as group:
            for tab in tabs:
                group.create_task(open_one(tab))
        yield
    finally:
        for tab in tabs:
            tab.close()


async def told(tabs, events):
    """Wait until each has so many. Raises TimeoutError."""
    async with asyncio.timeout(SECONDS):
        while any(len(tab.data) < events for tab in tabs):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def publish(messages):
    """Each a topic's number and data; committed on return."""
    events = [realtime.Message(Topic("test", str(number)), data) for number, data in messages]
    await in_thread(realtime.publish_many, events, type="news", stream="default")


@pytest.fixture
def skipped_without_files(many_files):
    def check(clients):
        # Each client's socket, and what both processes have open beside.
        if many_files < clients + 500:
            pytest.skip(f"{clients} clients take more than {many_files} open files")

    return check


@pytest.mark.parametrize("topics", [200, pytest.param(MANY, marks=pytest.mark.slow)])
async def test_each_of_many_topics_tells_its_own_client_and_who_follows_a_hundred(
    site, skipped_without_files, topics
):
    skipped_without_files(topics)
    first = next(firsts)
    numbers = range(first, first + topics)
    tabs = [Tab(site, number) for number in numbers]
    collector = Tab(site, first, FOLLOWED)
    async with opened([*tabs, collector]):
        began = time.monotonic()
        for turn in range(3):
            # Backwards, so that the order of positions isn't that of the topics.
            await publish([(number, [number, turn]) for number in reversed(numbers)])
        await told(tabs, 3)
        await told([collector], 3 * FOLLOWED)
        print(f"{topics} topics told 3 events each in {time.monotonic() - began:.1f} s")
        assert [tab.data for tab in tabs] == [
            [[number, turn] for turn in range(3)] for number in numbers
        ]
    everything = [[number, turn] for turn in range(3) for number in reversed(numbers[:FOLLOWED])]
    assert collector.data == everything
    assert collector.positions == sorted(collector.positions)
    assert not collector.resets
    # One cursor stands for all of its topics.
    collector.data, collector.last_id = [], str(START)
    missed = [(number, [number, 3]) for number in numbers]
    await publish(missed)
    async with opened([collector]):
        await told([collector], 4 * FOLLOWED)
    assert collector.data == everything + [[number, 3] for number in numbers[:FOLLOWED]]


@pytest.mark.parametrize("clients", [200, pytest.param(MANY, marks=pytest.mark.slow)])
async def test_one_topic_tells_all_of_its_many_clients_once_and_in_order(
    site, skipped_without_files, clients
):
    skipped_without_files(clients)
    topic = next(firsts)
    tabs = [Tab(site, topic) for _ in range(clients)]
    stranger = Tab(site, topic + 1)
    async with opened([*tabs, stranger]):
        began = time.monotonic()
        for number in range(10):
            await publish([(topic, number)])
        await publish([(topic + 1, "yours")])
        await told(tabs, 10)
        await told([stranger], 1)
        print(f"{clients} clients told 10 events each in {time.monotonic() - began:.1f} s")
    assert all(tab.data == list(range(10)) for tab in tabs)
    assert len({tuple(tab.positions) for tab in tabs}) == 1
    assert stranger.data == ["yours"]
    assert not any(tab.resets for tab in tabs)
