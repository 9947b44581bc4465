"""Clients of a running server: people, and their streams."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
from httpx_sse import ServerSentEvent, connect_sse
from rest_framework_simplejwt.tokens import AccessToken

from .servers import ServerProcess

STREAM = "/orders/realtime"
WAIT_SECONDS = 10
# How long to wait for an event, even during a restart of the database.
EVENT_SECONDS = 60


def bearer(user: Any) -> dict[str, str]:
    """The header of an API client with a token."""
    return {"Authorization": f"Bearer {AccessToken.for_user(user)}"}


def token(server: ServerProcess, username: str, password: str) -> dict[str, str]:
    """The header of an API client with a token that the server has issued."""
    body = {"username": username, "password": password}
    answer = httpx.post(f"{server.url}/api/token/", json=body, timeout=WAIT_SECONDS)
    return {"Authorization": f"Bearer {answer.json()['access']}"}


@contextmanager
def signed_in(
    server: ServerProcess, username: str, password: str, page: str = "/login/"
) -> Iterator[httpx.Client]:
    """A client with the cookies of a browser after it has signed in."""
    with httpx.Client(base_url=server.url, timeout=WAIT_SECONDS, follow_redirects=True) as browser:
        browser.get(page)
        answer = browser.post(
            page,
            data={
                "username": username,
                "password": password,
                "csrfmiddlewaretoken": browser.cookies["csrftoken"],
            },
        )
        assert "sessionid" in browser.cookies, answer.text
        yield browser


def event_id(position: int, stream: str = "default") -> str:
    """The id of the event at a position, also of the last event that was pruned."""
    # Imported here, because the writers of a storm import this module before Django is set up.
    from realtime.log.cursor import Cursor
    from realtime.models import Event
    from realtime.models import Stream as StreamRow

    marks = Event.objects.filter(stream=stream, position=position).values_list("mark", flat=True)
    pruned = StreamRow.objects.filter(name=stream, pruned_through=position)
    mark = marks.first() if marks else pruned.values_list("pruned_mark", flat=True).first()
    return str(Cursor(position, mark))


class OpenStream:
    """An open stream, read by an independent client (httpx-sse)."""

    def __init__(self, response: httpx.Response, blocks: Iterator[ServerSentEvent]) -> None:
        self.response = response
        self._blocks = blocks
        opening = next(self._blocks)
        self.retry = opening.retry
        self.last_event_id = opening.id

    def next_event(self) -> ServerSentEvent:
        """The next event with data that isn't the bell's; fails if none comes in time."""
        # A deadline of its own, because each heartbeat restarts the time-out of httpx.
        deadline = time.monotonic() + EVENT_SECONDS
        block = None
        for block in self._blocks:
            self.last_event_id = block.id or self.last_event_id
            if block.data and not block.event.startswith("bell."):
                return block
            assert time.monotonic() < deadline, f"There was no event within {EVENT_SECONDS} s."
        raise AssertionError(f"The stream ended (retry: {self.retry}); the last block: {block}")

    def ended(self) -> bool:
        """Wait until the server ends it; false if an event came before that isn't the bell's."""
        return not any(block.data and not block.event.startswith("bell.") for block in self._blocks)


@contextmanager
def open_stream(
    server: ServerProcess,
    *,
    client: httpx.Client | None = None,
    cursor: str | int | None = None,
    query: str = "",
    path: str = STREAM,
    **headers: str,
) -> Iterator[OpenStream]:
    """A stream that has begun. cursor: sent as Last-Event-ID."""
    if cursor is not None:
        headers["Last-Event-ID"] = str(cursor)
    with ExitStack() as resources:
        if client is None:
            client = resources.enter_context(httpx.Client(timeout=WAIT_SECONDS))
        source = resources.enter_context(
            connect_sse(client, "GET", server.url + path + query, headers=headers)
        )
        assert source.response.status_code == 200, source.response.read()
        # Kept, because httpx closes the connection when nothing refers to its iterator.
        stream = OpenStream(source.response, source.iter_sse())
        yield stream
