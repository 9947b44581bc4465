"""How many requests a process works on at a time, and how many may wait for their turn.

Under ASGI Django takes a thread, and with it a database connection, for each request that is there:
a hundred sign-ins at once would be a hundred sessions, and an error for everybody whose own is one
too many. Here a request waits for its turn with neither, after its body has come: who is slow to
send it holds up nobody. Who leaves while they wait are not worked on.

    application = outlive_request(limited(get_asgi_application(), requests=20, sign_ins=2))

Streams don't come this way: they have limits of their own.
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
# For so many times as many as are worked on: an answer that comes too late is none.
MOST_WAITING = 25
# Random, so that who is sent away together doesn't come back together.
RETRY_AFTER_SECONDS = (2, 10)


class Busy(Exception):
    """As many wait already as may."""


class Lane:
    """at_once: how many are worked on at a time. The others wait, in their order."""

    def __init__(self, at_once: int) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._most_waiting = at_once * MOST_WAITING
        self._waiting = 0

    async def take_turn(self) -> None:
        """Raises Busy. To be followed by `end_turn()`."""
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
    """One request's turn. It is taken when the last of its body is received."""

    def __init__(self, lane: Lane, receive: Receive) -> None:
        self._lane = lane
        self._receive = receive
        self._is_taken = False
        # Waits for the client to leave: handed on to whoever receives next.
        self._next: asyncio.Task[Message] | None = None

    async def receive(self) -> Message:
        """As the server's own. Raises Busy."""
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
        # The client has left, or the turn has come.
        return message if self._is_taken else await self._next

    async def end(self) -> None:
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)
        if self._is_taken:
            self._lane.end_turn()


async def _finished(taking: asyncio.Future[None]) -> bool:
    """Whether a turn has been taken; if not yet, it is no longer wanted. Raises Busy."""
    taking.cancel()  # in vain once it is done
    with suppress(asyncio.CancelledError):
        await taking
    return not taking.cancelled()


def limited(application: Application, *, requests: int, sign_ins: int) -> Application:
    """Wrap Django's ASGI application.

    requests: how many requests are worked on at a time.
    sign_ins: how many of those that check a password, beside the others: each takes a processor
        for a quarter of a second, by intent.
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
