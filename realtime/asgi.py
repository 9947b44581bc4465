"""The ASGI application around Django's.

    # asgi.py
    application = outlive_request(get_asgi_application())

It runs each stream on after its request has ended, see `handover.py`, and answers `health.py`
without Django's middleware. Both work under Django's own handler too, at the price of a thread for
each request.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any

from asgiref.sync import ThreadSensitiveContext
from django.core.handlers.asgi import ASGIRequest
from django.urls import Resolver404, resolve

from . import conf, shutdown
from .handover import SCOPE_KEY, Handover, Receive, Send
from .hub import Hub

Scope = dict[str, Any]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def outlive_request(application: Application) -> Application:
    """Wrap Django's ASGI application: open streams cost no thread and no database connection."""
    threads = RequestThreads(conf.get("REQUEST_THREADS"))

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] != "http":
            await application(scope, receive, send)
        elif getattr(view := _view(scope), "skips_middleware", False):
            shutdown.prepare()
            await _answer(view, scope, send)
        elif getattr(view, "outlives_request", False):
            shutdown.prepare()
            handover = Handover(receive, send)
            async with threads.one():
                await application({**scope, SCOPE_KEY: handover}, handover.receive, handover.send)
            await handover.go_on()
        else:
            await application(scope, receive, send)

    return wrapped


def _view(scope: Scope) -> Callable[..., Any] | None:
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    try:
        return resolve(path).func
    except Resolver404:
        return None


async def _answer(view: Callable[..., Any], scope: Scope, send: Send) -> None:
    """The answer of an asynchronous view that reads no body, without Django's handler."""
    response = await view(ASGIRequest(scope, BytesIO()))
    headers = [(name.encode("latin1"), value.encode("latin1")) for name, value in response.items()]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else response.content
    await send({"type": "http.response.body", "body": body})


async def _live(receive: Receive, send: Send) -> None:
    """https://asgi.readthedocs.io/en/latest/specs/lifespan.html"""
    while True:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await Hub.close_current()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


class RequestThreads:
    """A few threads; a stream request has one to itself while Django works on it.

    By itself Django would start a thread for each request: when a thousand clients reconnect at
    once, a thousand threads with a database connection each. Here the rest wait for their turn.
    """

    def __init__(self, count: int) -> None:
        self._turns = asyncio.Semaphore(count)
        self._idle: list[ThreadPoolExecutor] = []

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        async with self._turns:
            # One thread an executor: what Django calls “thread-sensitive” must stay on one.
            thread = self._idle.pop() if self._idle else ThreadPoolExecutor(1, "realtime-request")
            try:
                async with ThreadSensitiveContext(executor=thread):
                    yield
            finally:
                self._idle.append(thread)
