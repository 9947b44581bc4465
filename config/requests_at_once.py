"""Limits how many requests a process works on at a time, and how many wait for their turn.

Under ASGI Django uses a thread, and with it a database connection, for each request: a hundred
sign-ins at once would need a hundred sessions, and fail above max_connections. Here a request waits
for its turn without either. It takes its turn once its body has arrived, so that a slow client
holds up nobody. If a client leaves while it waits, its request is dropped.

    application = outlive_request(limited(get_asgi_application(), requests=20, sign_ins=2))

Streams bypass this, because they have limits of their own.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from django.urls import Resolver404, resolve

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

SIGN_INS = {"login", "admin:login", "token_obtain_pair"}
# At most so many times as many requests wait as are worked on: more would be answered too late.
MOST_WAITING = 25
# A random time, so that clients rejected together don't return together.
RETRY_AFTER_SECONDS = (2, 10)


class Busy(Exception):
    """The queue is full."""


class Lane:
    """at_once: how many requests are worked on at a time. The others wait in their order."""

    def __init__(self, at_once: int) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._most_waiting = at_once * MOST_WAITING
        self._waiting = 0

    async def take_turn(self) -> None:
        """Wait for a turn, which `end_turn()` has to end. Raises Busy."""
        if self._turns.locked() and self._waiting >= self._most_waiting:
            raise Busy
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1

    def end_turn(self) -> None:
        self._turns.release()


class Turn:
    """One request's turn. It is taken when the end of its body is received."""

    def __init__(self, lane: Lane, receive: Receive) -> None:
        self._lane = lane
        self._receive = receive
        self._is_taken = False
        # A receive() that waits for the client to leave. The application's next receive() gets it.
        self._next: asyncio.Task[Message] | None = None

    async def receive(self) -> Message:
        """The server's receive(), which takes the turn after the body. Raises Busy."""
        if self._next is not None:
            return await asyncio.shield(self._next)
        message = await self._receive()
        if self._is_taken or message["type"] != "http.request" or message.get("more_body"):
            return message
        self._next = asyncio.ensure_future(self._receive())
        taking = asyncio.ensure_future(self._lane.take_turn())
        try:
            await asyncio.wait({taking, self._next}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._is_taken = await _finished(taking)
        # Either the client has left or the turn has come.
        return message if self._is_taken else await self._next

    async def end(self) -> None:
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)
        if self._is_taken:
            self._lane.end_turn()


async def _finished(taking: asyncio.Future[None]) -> bool:
    """Whether the turn has been taken; if not, stop waiting for it. Raises Busy."""
    taking.cancel()  # has no effect once it is done
    with suppress(asyncio.CancelledError):
        await taking
    return not taking.cancelled()


def limited(application: Application, *, requests: int, sign_ins: int) -> Application:
    """Wrap Django's ASGI application.

    requests: how many requests are worked on at a time.
    sign_ins: how many more that check a password: each uses a processor for a quarter of a second,
        because password hashes are slow on purpose.
    """
    ordinary, signing_in = Lane(requests), Lane(sign_ins)

    async def wrapped(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await application(scope, receive, send)
        turn = Turn(signing_in if _is_sign_in(scope) else ordinary, receive)
        try:
            await application(scope, turn.receive, send)
        except Busy:
            await _send_away(send)
        finally:
            await turn.end()

    wrapped.skips_streams = True  # type: ignore[attr-defined]  # for realtime.asgi
    return wrapped


def _is_sign_in(scope: dict[str, Any]) -> bool:
    if scope["method"] != "POST":
        return False
    with suppress(Resolver404):
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        return resolve(path).view_name in SIGN_INS
    return False


async def _send_away(send: Send) -> None:
    body = b"Too many requests are waiting. Try again in a moment.\n"
    seconds = str(random.randint(*RETRY_AFTER_SECONDS)).encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"retry-after", seconds),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
