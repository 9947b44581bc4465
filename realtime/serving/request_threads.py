"""Request threads: they run Django's part in opening a stream.

Django's asynchronous handler moves a request into a thread and back for each synchronous
middleware, and opens a database connection for each request. Here each of a few threads answers one
request after the other, middleware included, and keeps its database connection while requests come.
So a thousand clients that reconnect at once need no more connections than there are threads.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from itertools import islice
from threading import Condition
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.signals import request_started
from django.db import connections
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix
from django.utils.functional import LazyObject, empty
from django.utils.module_loading import import_string

from .. import conf
from ..access import prefetch
from ..access.prefetch import Prefetch
from ..postgres.deadlines import DjangoDeadline
from ..postgres.django_connections import SessionSettings, keep_django_connections
from .thread_loop import ThreadLoop, as_error, run_in_this_thread

Scope = dict[str, Any]

# How long a request waits for a thread before we check whether its client is still there.
PATIENCE_SECONDS = 1.0
# How long a thread waits for the next request before it closes its database connection.
IDLE_SECONDS = 0.2


@dataclass(slots=True, eq=False)
class WaitingRequest:
    """A request that waits for a thread.

    respond: is called in a thread. prefetch: looks up its rows and those of others; None: nothing
        is prefetched.
    """

    scope: Scope
    answer: asyncio.Future[HttpResponseBase]
    respond: Callable[["WaitingRequest"], None]
    # What ASGI middleware has set for this request, such as the id by which logs name it. And what
    # the project sets in it is not there for the next request on the same thread.
    context: Context
    prefetch: Prefetch | None = None


class RequestThreads:
    """Answers the requests that ask for a stream.

    threads: how many requests are answered at a time, each on one database connection.
    query_seconds: how long the database may take for one of them.
    """

    def __init__(self, threads: int, query_seconds: float) -> None:
        self.handler = RequestThreadHandler()
        self._query_seconds = query_seconds
        self._most_threads = threads
        self._executor = ThreadPoolExecutor(threads, "realtime-request")
        # Guards the fields below.
        self._changed = Condition()
        self._waiting: deque[WaitingRequest] = deque()
        self._threads = 0
        self._idle_threads = 0

    async def answer(
        self, scope: Scope, has_left: Callable[[], Coroutine[Any, Any, None]]
    ) -> HttpResponseBase | None:
        """Django's response to a request without a body; None: its client left before a thread was
        free.

        has_left: waits until the client has left.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[HttpResponseBase] = loop.create_future()
        leaving: asyncio.Task[None] | None = None

        def watch() -> None:
            nonlocal leaving
            leaving = loop.create_task(has_left(), name="realtime-waiting")
            leaving.add_done_callback(lambda task: answer.cancel())

        # A task for each request would be expensive, and most requests are answered by then.
        patience = loop.call_later(PATIENCE_SECONDS, watch)
        try:
            with DjangoDeadline(self._query_seconds) as timed:
                self._add(WaitingRequest(scope, answer, timed(self._respond), copy_context()))
                return await answer
        except asyncio.CancelledError:
            if leaving is None or not leaving.done() or leaving.cancelled():
                raise
            return None
        finally:
            patience.cancel()
            if leaving is not None:
                leaving.cancel()
                await asyncio.gather(leaving, return_exceptions=True)

    def _add(self, request: "WaitingRequest") -> None:
        with self._changed:
            self._waiting.append(request)
            if len(self._waiting) <= self._idle_threads:
                self._changed.notify()
            elif self._threads < self._most_threads:
                self._threads += 1
                self._executor.submit(self._work)

    def _work(self) -> None:
        """In a thread: answer waiting requests, then close the database connection and end."""
        with ThreadLoop(), SessionSettings() as session_settings:
            try:
                while (request := self._next()) is not None:
                    request.context.run(request.respond, request)
                    session_settings.close_changed()
            finally:
                connections.close_all()

    def _next(self) -> "WaitingRequest | None":
        with self._changed:
            self._idle_threads += 1
            self._changed.wait_for(lambda: self._waiting, IDLE_SECONDS)
            self._idle_threads -= 1
            while self._waiting and self._waiting[0].answer.done():
                self._waiting.popleft()  # its client has left
            if self._waiting:
                if self._waiting[0].prefetch is None and len(self._waiting) > 1:
                    self._prefetch_for(list(islice(self._waiting, prefetch.MOST)))
                return self._waiting.popleft()
            self._threads -= 1
            return None

    @staticmethod
    def _prefetch_for(requests: "list[WaitingRequest]") -> None:
        if conf.get("TENANT") is not None:
            return  # the tenant, and so the table of users, is only known to the middleware
        together = Prefetch([request.scope for request in requests])
        for request in requests:
            request.prefetch = together

    def _respond(self, request: "WaitingRequest") -> None:
        answer = request.answer
        try:
            if request.prefetch is not None:
                request.prefetch.look_up()
            outcome = partial(answer.set_result, self.handler.respond(request.scope))
        except BaseException as error:
            outcome = partial(answer.set_exception, as_error(error))
        if (known := request.scope.pop(prefetch.SCOPE_KEY, None)) is not None:
            known.forget()
        # The loop may have been closed meanwhile.
        with suppress(RuntimeError):
            answer.get_loop().call_soon_threadsafe(lambda: answer.done() or outcome())


class RequestThreadHandler(ASGIHandler):
    """Django's handler, which runs all of the project's middleware in the calling thread.

    needs_event_loop: whether some middleware is only asynchronous. It may use objects of the
        server's event loop, such as a pool of connections, and would fail in another loop.
    """

    needs_event_loop = False

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)
        middleware = map(import_string, settings.MIDDLEWARE)
        self.needs_event_loop = not all(getattr(one, "sync_capable", True) for one in middleware)

    def adapt_method_mode(
        self,
        is_async: bool,
        method: Callable[..., Any],
        method_is_async: bool | None = None,
        debug: bool = False,
        name: str | None = None,
    ) -> Callable[..., Any]:
        if method_is_async is None:
            method_is_async = iscoroutinefunction(method)
        if method_is_async and not is_async:
            return run_in_this_thread(method)
        return super().adapt_method_mode(is_async, method, method_is_async, debug, name)

    def resolve_request(self, request: Any) -> Any:
        # By now the middleware has made the session, and most middleware has not loaded its data.
        if (known := prefetch.prefetched(request)) is not None:
            known.give(request)
        view, args, kwargs = super().resolve_request(request)
        return run_in_this_thread(view) if iscoroutinefunction(view) else view, args, kwargs

    def respond(self, scope: Scope) -> HttpResponseBase:
        set_script_prefix(get_script_prefix(scope))
        request_started.send(sender=type(self), scope=scope)
        request, refusal = self.create_request(scope, BytesIO())
        if request is None:
            assert refusal is not None  # one of the two, says Django
            return refusal
        response: HttpResponseBase = self.get_response(request)
        response._handler_class = type(self)  # type: ignore[attr-defined]  # as Django's handler does
        keep_django_connections()
        if not response.streaming or getattr(response, "is_for_handover", False):
            # In this thread, because close() calls the project's request_finished receivers.
            response.close()
            untie(request)
        return response


def untie(request: Any) -> None:
    """Remove from an answered request the objects that refer back to it.

    Middleware adds such objects: its user, its messages. Without this, a crowd's requests would
    take megabytes until the garbage collector runs. All other attributes stay, because a thread of
    the project may still use the request, for statistics for example.
    """
    attributes = vars(request)
    for name, value in list(attributes.items()):
        if isinstance(value, LazyObject):
            plain = value.__dict__["_wrapped"]
            if plain is not empty:
                attributes[name] = plain
            elif name != "user":
                del attributes[name]
        elif _holds(value, request):
            del attributes[name]


def _holds(value: Any, request: Any) -> bool:
    if isinstance(value, partial):
        return any(one is request for one in value.args)
    return getattr(value, "__dict__", {}).get("request") is request
