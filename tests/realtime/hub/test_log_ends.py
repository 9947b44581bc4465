"""The ends of the log, over HTTP: a cursor that can't be honoured is one reset, never a hole."""

import asyncio
import json
import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPResponse
from itertools import islice

import httpx
import pytest
from django.core.management import call_command
from httpx_sse import aconnect_sse

import realtime
from realtime.models import Event, OutboxEvent
from realtime.models import Stream as StreamRow
from tests.clients import STREAM, WAIT_SECONDS, bearer, event_id, open_stream
from tests.realtime.conftest import in_thread
from tests.servers import ServerProcess
from tests.shared_servers import SharedServer, shared_server


@pytest.fixture(scope="module")
def shared_forgetful(processes, django_db_setup, django_db_blocker) -> Iterator[SharedServer]:
    yield from shared_server(
        django_db_blocker, "daphne", DJANGO_SETTINGS_MODULE="tests.realtime.forgetful"
    )


@pytest.fixture
def forgetful(transactional_db, shared_forgetful) -> ServerProcess:
    """A daphne process that replays from the table what is older than its last five events."""
    return shared_forgetful.running()


@pytest.fixture
def start(forgetful) -> int:
    """How far the log had come before this test."""
    return StreamRow.objects.filter(name="default").values_list("position", flat=True).first() or 0


def publish(user, *data):
    messages = [realtime.Message(user, one) for one in data]
    realtime.publish_many(messages, type="orders", stream="default")


def fill_log(server, user, count):
    """Publish that many events and wait until they are numbered."""
    with open_stream(server, **bearer(user)) as stream:
        publish(user, *range(1, count + 1))
        for _ in range(count):
            stream.next_event()


def assert_reset(event, reason, position):
    assert event.event == "reset"
    assert json.loads(event.data) == {"reason": reason, "position": position}
    assert event.id == event_id(position)


def assert_live(stream, user, position):
    """The next event is one that is published now: there is no second reset before it.

    position: what the log comes to by it.
    """
    publish(user, position)
    event = stream.next_event()
    assert (event.event, event.id, event.data) == ("orders", event_id(position), str(position))


def test_a_cursor_that_fell_off_the_log_is_reset_and_goes_on_live(forgetful, start, alice):
    fill_log(forgetful, alice, 20)
    seen = event_id(start + 9)
    call_command("prune_events", "--keep", "10", verbosity=0)
    with open_stream(forgetful, cursor=seen, **bearer(alice)) as stream:
        assert_reset(stream.next_event(), "pruned", start + 20)
        assert_live(stream, alice, start + 21)


def test_a_cursor_at_the_edge_of_what_was_pruned_misses_nothing(forgetful, start, alice):
    fill_log(forgetful, alice, 20)
    seen = event_id(start + 10)
    call_command("prune_events", "--keep", "10", verbosity=0)
    with open_stream(forgetful, cursor=seen, **bearer(alice)) as stream:
        kept = [event_id(start + number) for number in range(11, 21)]
        assert [stream.next_event().id for _ in range(10)] == kept
        assert_live(stream, alice, start + 21)


def test_what_was_pruned_and_is_still_in_memory_is_still_sent(forgetful, start, alice):
    with open_stream(forgetful, **bearer(alice)):  # keeps the process following the stream
        fill_log(forgetful, alice, 4)
        first, second = event_id(start + 1), event_id(start + 2)
        call_command("prune_events", "--keep", "1", verbosity=0)
        with open_stream(forgetful, cursor=first, **bearer(alice)) as stream:
            assert stream.next_event().id == second


def test_a_cursor_ahead_of_the_log_is_reset_and_goes_on_live(forgetful, start, alice):
    fill_log(forgetful, alice, 3)
    with open_stream(forgetful, cursor=f"{start + 99}-a", **bearer(alice)) as stream:
        assert_reset(stream.next_event(), "history", start + 3)
        assert_live(stream, alice, start + 4)


def test_after_a_restored_backup_open_streams_are_reset_and_go_on_live(forgetful, start, alice):
    fill_log(forgetful, alice, 9)
    kept = start + 4
    with open_stream(forgetful, **bearer(alice)) as stream:
        Event.objects.filter(position__gt=kept).delete()
        mark = Event.objects.values_list("mark", flat=True).get(position=kept)
        StreamRow.objects.update(position=kept, mark=mark)
        assert_reset(stream.next_event(), "history", kept)
        assert_live(stream, alice, kept + 1)


GARBAGE = {
    "text": [b"garbage"],
    "negative": [b"-1"],
    "signed": [b"+1"],
    "a position without its mark": [b"1"],
    "decimal": [b"1.5-a"],
    "one more than bigint": [b"9223372036854775808-a"],
    "huge": [b"9" * 8000],
    "digits of another script": ["٣".encode()],
    "bytes that are no UTF-8": [b"\xff\xfe"],
    "a latin-1 space": [b"1\xa0"],
    "a list": [b"1-a, 2-a"],
    "a repeated header": [b"1-a", b"1-a"],
    "SQL": [b"1; DROP TABLE realtime_event"],
}


@contextmanager
def raw_stream(server, user, cursors):
    """Lines of a stream asked for with bytes that no HTTP client would send."""
    headers = [f"{name}: {value}".encode() for name, value in bearer(user).items()]
    headers += [b"Last-Event-ID: " + cursor for cursor in cursors]
    request = [f"GET {STREAM} HTTP/1.1".encode(), b"Host: 127.0.0.1", *headers, b"", b""]
    address = ("127.0.0.1", server.port)
    with closing(socket.create_connection(address, timeout=WAIT_SECONDS)) as connection:
        connection.sendall(b"\r\n".join(request))
        with HTTPResponse(connection) as response:
            response.begin()
            assert response.status == 200
            yield response


def next_block(response):
    """The lines of the next block that has data; a heartbeat has none."""
    while True:
        lines = list(iter(lambda: response.readline().rstrip(b"\n"), b""))
        if any(line.startswith(b"data: ") for line in lines):
            return lines


def test_garbage_is_reset_once_and_goes_on_live(forgetful, start, alice):
    fill_log(forgetful, alice, 1)
    with ExitStack() as streams:
        responses = {
            name: streams.enter_context(raw_stream(forgetful, alice, cursors))
            for name, cursors in GARBAGE.items()
        }
        blocks = {name: [next_block(response)] for name, response in responses.items()}
        publish(alice, 2)
        for name, response in responses.items():
            blocks[name].append(next_block(response))
    first, second = start + 1, start + 2
    data = json.dumps({"reason": "invalid", "position": first}, separators=(",", ":"))
    reset = ["event: reset", f"id: {event_id(first)}", f"data: {data}"]
    live = ["event: orders", f"id: {event_id(second)}", "data: 2"]
    expected = [[line.encode() for line in block] for block in (reset, live)]
    assert blocks == dict.fromkeys(GARBAGE, expected)


def test_garbage_in_the_address_is_reset_once_and_goes_on_live(forgetful, start, alice):
    fill_log(forgetful, alice, 1)
    values = ["garbage", "-1", "%ff", "%00", "9" * 30, "1&last_event_id=x"]
    for position, value in enumerate(values, start=start + 2):
        with open_stream(forgetful, query=f"?last_event_id={value}", **bearer(alice)) as stream:
            assert_reset(stream.next_event(), "invalid", position - 1)
            assert_live(stream, alice, position)


def test_a_quiet_user_is_not_reset_by_a_prune(forgetful, start, alice, bob):
    """The heartbeats have taken Bob's cursor along while others had orders."""
    with raw_stream(forgetful, bob, []) as response:
        fill_log(forgetful, alice, 20)
        lines = islice(iter(response.readline, b""), 40)  # a heartbeat has four
        assert any(line.startswith(b"id: %d-" % (start + 20)) for line in lines)
    call_command("prune_events", "--keep", "1", verbosity=0)
    with open_stream(forgetful, cursor=event_id(start + 20), **bearer(bob)) as stream:
        assert_live(stream, bob, start + 21)
    with open_stream(forgetful, cursor=0, **bearer(bob)) as stream:
        assert_reset(stream.next_event(), "pruned", start + 21)


class Reader:
    """Comes and goes while the log is pruned, and checks each event against its cursor."""

    def __init__(self, name, server, user, start, id):
        self.chance = random.Random(name)
        self.url = server.url + STREAM
        self.headers = bearer(user)
        self.cursor = start
        self.id = id
        self.received = 0
        self.resets = 0

    async def read(self, until):
        """Until this position has been seen."""
        async with httpx.AsyncClient(timeout=WAIT_SECONDS) as http:
            while self.cursor < until:
                await self._stay(http, until)
                await asyncio.sleep(self.chance.uniform(0, 0.4))  # it lost its way meanwhile

    async def _stay(self, http, until):
        stay = self.chance.randint(1, 60)
        headers = {**self.headers, "Last-Event-ID": self.id}
        async with aconnect_sse(http, "GET", self.url, headers=headers) as source:
            async for event in source.aiter_sse():
                if not event.data:
                    continue
                position = int(event.id.partition("-")[0])
                if event.event == "reset":
                    self.resets += 1
                    assert json.loads(event.data) == {"reason": "pruned", "position": position}
                    assert position > self.cursor + 1, "a reset for nothing"
                else:
                    # All are Alice's, so the next one is the next position. No hole, no repeat.
                    assert position == self.cursor + 1
                    self.received += 1
                self.cursor, self.id = position, event.id
                stay -= 1
                if not stay or self.cursor >= until:
                    return


async def test_beside_a_prune_nobody_gets_a_hole_without_a_reset(forgetful, start, alice):
    total = 750
    id = await in_thread(event_id, start) if start else "0"
    readers = [Reader(f"reader {n}", forgetful, alice, start, id) for n in range(8)]
    done = asyncio.Event()

    async def write():
        for n in range(0, total, 5):
            await in_thread(publish, alice, *range(n, n + 5))
        done.set()

    async def prune():
        while not done.is_set():
            await in_thread(call_command, "prune_events", "--keep", "30", verbosity=0)

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        for reader in readers:
            tasks.create_task(reader.read(start + total))
        # Two at once: a nightly job that was started by hand as well.
        for job in (write, prune, prune):
            tasks.create_task(job())
    assert not await in_thread(OutboxEvent.objects.count)
    assert sum(reader.resets for reader in readers) > 0
    assert sum(reader.received for reader in readers) > total
