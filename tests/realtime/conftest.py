"""The hub in the test's own event loop, and what happens meanwhile in other sessions."""

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections
from django.test import AsyncClient

import realtime
from realtime.hub.hub import Hub
from realtime.log.cursor import START, Cursor
from realtime.models import Event, Stream
from tests.servers import database_url


@pytest.fixture
async def hub(transactional_db) -> AsyncIterator[Hub]:
    """The hub of this test's event loop."""
    yield Hub.current()
    await Hub.close_current()


@pytest.fixture
async def client(hub) -> AsyncIterator[AsyncClient]:
    """Asks the views in this test's event loop, through Django's own handler."""
    yield AsyncClient()
    # Its requests leave open the connection of the thread that authenticates.
    await sync_to_async(connections.close_all)()


@pytest.fixture
def elsewhere(transactional_db):
    """Opens database sessions apart from Django's, in autocommit; closed after the test."""
    opened: list[psycopg.Connection] = []

    def connect(**options: Any) -> psycopg.Connection:
        session = psycopg.connect(database_url(), autocommit=True, **options)
        opened.append(session)
        return session

    yield connect
    for session in opened:
        session.close()


@pytest.fixture
def sessions(elsewhere):
    """How many sessions there are on the test database, apart from this test's own."""
    own = elsewhere()
    statement = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> ALL(%s)"
    )

    def count() -> int:
        connection.ensure_connection()
        mine = [own.info.backend_pid, connection.connection.info.backend_pid]
        return own.execute(statement, [mine]).fetchone()[0]

    return count


async def in_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call what uses the ORM, on a thread whose connection is closed afterwards."""

    def call() -> Any:
        try:
            return function(*args, **kwargs)
        finally:
            connections.close_all()

    return await sync_to_async(call, thread_sensitive=False)()


def unmarked(text: bytes) -> bytes:
    """What a stream has sent, with bare positions for ids: their marks are random."""
    return re.sub(rb"^(id: \d+)-[0-9a-f]+$", rb"\1", text, flags=re.MULTILINE)


async def cursor_at(
    position: int, stream: str = "default", call: Callable[..., Any] = in_thread
) -> Cursor:
    """The cursor of an event of the log; one that no log has honoured, if there is none."""

    def mark() -> int | None:
        events = Event.objects.filter(stream=stream, position=position)
        pruned = Stream.objects.filter(name=stream, pruned_through=position)
        found = events.values_list("mark", flat=True).first()
        return found if found is not None else pruned.values_list("pruned_mark", flat=True).first()

    found = await call(mark)
    return START if position == 0 else Cursor(position, 7 if found is None else found)


def following(*keys: str) -> Any:
    """What a client follows: the topics that `publish()` below has for these keys."""
    return tuple(f"test:{key}" for key in keys)


async def publish(to: Any, *data: Any, stream: str = "default", **how: Any) -> None:
    """Publish events in a transaction of their own, committed on return.

    to: a text is the key of a topic that is only a test's.
    """
    to = realtime.Topic("test", to) if isinstance(to, str) else to
    messages = [realtime.Message(to, one, **how) for one in data]
    await in_thread(realtime.publish_many, messages, type="orders", stream=stream)
