"""Helpers for the tests of a project: look at published events, and read streams.

    with capture_events() as events:                    # in any TestCase: nothing has to commit
        document.save()
    assert [(event.type, event.topic) for event in events] == [("body", topic_of(document))]

    async with open_stream("/documents/7/live", user) as stream:      # TransactionTestCase
        await realtime.apublish(to=document, type="body", html="<p>")
        assert (await stream.next_event()).data == "<p>"

    with open_stream_sync("/documents/7/live", user) as stream:
        ...
        assert stream.next_event(seconds=2).type == "body"

A stream only has committed events, so a test that opens one is a `TransactionTestCase`, or uses
pytest-django's `transactional_db`. `fixtures.py` has fixtures for pytest.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from ..exceptions import InvalidEvent

# How long to wait for the next event.
SECONDS = 5.0

Result = TypeVar("Result")


@dataclass(frozen=True)
class PublishedEvent:
    """One event as it was published.

    type: empty if the event is unnamed. topic: the topic's text, see `realtime.topic_of`.
    data: the parsed JSON, or the text.
    key: the `latest` that it was published with; empty: none.
    """

    stream: str
    type: str
    topic: str
    data: Any
    key: str


@dataclass(frozen=True)
class ReceivedEvent:
    """One event as a client receives it. type: “message” if it is unnamed. id: its cursor."""

    type: str
    data: str
    id: str

    def json(self) -> Any:
        return json.loads(self.data)


def published_events() -> list[PublishedEvent]:
    """All events in the test's database, in order within each stream."""
    from ..log.models import Event, OutboxEvent

    numbered = Event.objects.order_by("stream", "position")
    return [_published(event) for event in [*numbered, *OutboxEvent.objects.order_by("pk")]]


@contextmanager
def capture_events() -> Iterator[list[PublishedEvent]]:
    """Capture the events that are published in the block; yields a list that its end fills."""
    from ..log.models import Event, OutboxEvent, Stream
    from ..log.snapshot import current_cursor

    # Number waiting events of before, such as those of a data migration: otherwise a page rendered
    # in the block would number them, and they would be captured.
    for stream in set(OutboxEvent.objects.values_list("stream", flat=True)):
        with suppress(InvalidEvent):  # a stream that the settings don't name
            current_cursor(stream)
    events: list[PublishedEvent] = []
    positions = dict(Stream.objects.values_list("name", "position"))
    waiting = set(OutboxEvent.objects.values_list("pk", flat=True))
    yield events
    # A server process may have numbered some of the captured events.
    for event in Event.objects.order_by("stream", "position"):
        if event.position > positions.get(event.stream, 0):
            events.append(_published(event))
    events += map(_published, OutboxEvent.objects.exclude(pk__in=waiting).order_by("pk"))


def _published(event: Any) -> PublishedEvent:
    data = event.data
    if event.format == event.Format.JSON and data is not None:
        data = json.loads(data)
    return PublishedEvent(event.stream, event.type, event.topic, data, event.key)


class AsyncStream:
    """An open stream, in the event loop of the test."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._text = ""
        self._id = ""

    async def next_event(self, seconds: float = SECONDS) -> ReceivedEvent:
        """The next event, heartbeats left out. Raises AssertionError if none comes in time."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    while "\n\n" in self._text:
                        block, self._text = self._text.split("\n\n", 1)
                        if (event := self._parsed(block)) is not None:
                            return event
                    self._text += (await anext(self._chunks)).decode()
        except TimeoutError:
            raise AssertionError(f"No event came in {seconds} s.") from None
        except StopAsyncIteration:
            raise AssertionError("The stream ended.") from None

    async def ends(self, seconds: float = SECONDS) -> None:
        """Wait for the end of the stream. Raises AssertionError if an event comes, or nothing."""
        try:
            event = await self.next_event(seconds)
        except AssertionError as error:
            if str(error) == "The stream ended.":
                return
            raise
        raise AssertionError(f"The stream goes on: {event}")

    def _parsed(self, block: str) -> ReceivedEvent | None:
        """https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation"""
        type, data = "message", []
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "id":
                self._id = value
            elif name == "event":
                type = value
            elif name == "data":
                data.append(value)
        is_event = bool(data) and type != "heartbeat"
        return ReceivedEvent(type, "\n".join(data), self._id) if is_event else None


@asynccontextmanager
async def open_stream(
    path: str, user: Any = None, *, cursor: Any = None, headers: dict[str, str] | None = None
) -> AsyncIterator[AsyncStream]:
    """Open a stream of this site by Django's AsyncClient.

    path: the stream's address, with its query if it has one.
    user: the user who is signed in; None: nobody.
    cursor: the cursor to begin at, or “0” for the beginning; None: begin with the next event.
    headers: further headers of the request.

    Yields the AsyncStream. Raises AssertionError, with the answer, if no stream is opened.
    """
    from asgiref.sync import sync_to_async
    from django.db import connections
    from django.test import AsyncClient

    from ..hub.hub import Hub

    client = AsyncClient()
    try:
        if user is not None:
            await sync_to_async(client.force_login)(user)
        asked = {} if cursor is None else {"Last-Event-ID": str(cursor)}
        response: Any = await client.get(path, headers={**(headers or {}), **asked})
        if response.status_code != 200 or not response.streaming:
            answer = response.content.decode()
            raise AssertionError(f"{path} answered {response.status_code}: {answer}")
        async with aclosing(aiter(response)) as chunks:
            first = await anext(chunks)
            yield AsyncStream(_with(first, chunks))
    finally:
        # The hub's connections would keep the test database from being dropped.
        if not any(Hub.current().streams):
            await Hub.close_current()
        await sync_to_async(_close_unless_in_a_transaction)(connections)


async def _with(first: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in chunks:
        yield chunk


def _close_unless_in_a_transaction(connections: Any) -> None:
    """Close this thread's connections, unless they are those of the test itself."""
    if threading.current_thread() is threading.main_thread():
        return
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


class SyncStream:
    """An open stream, in an event loop of its own, for a test that has none."""

    def __init__(self, loop: asyncio.AbstractEventLoop, stream: AsyncStream) -> None:
        self._loop = loop
        self._stream = stream

    def next_event(self, seconds: float = SECONDS) -> ReceivedEvent:
        """See AsyncStream."""
        return _run_in(self._loop, self._stream.next_event(seconds))

    def ends(self, seconds: float = SECONDS) -> None:
        """See AsyncStream."""
        _run_in(self._loop, self._stream.ends(seconds))


@contextmanager
def open_stream_sync(
    path: str, user: Any = None, *, cursor: Any = None, headers: dict[str, str] | None = None
) -> Iterator[SyncStream]:
    """`open_stream()` for a test without an event loop: the same arguments, yields a SyncStream."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="realtime-testing")
    thread.start()
    opening = open_stream(path, user, cursor=cursor, headers=headers)
    try:
        stream = _run_in(loop, opening.__aenter__())
        try:
            yield SyncStream(loop, stream)
        finally:
            _run_in(loop, opening.__aexit__(None, None, None))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _run_in(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Result]) -> Result:
    return asyncio.run_coroutine_threadsafe(coroutine, loop).result()
