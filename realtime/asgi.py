"""The ASGI application around Django's.

    # asgi.py
    application = outlive_request(get_asgi_application())

Django keeps a thread for each open request, and a database connection once the ORM was used: a
thousand open streams would need a thousand threads and more connections than PostgreSQL has. So a
stream outlives its request: the view opens it and puts it into the request's handover
(`serving/handover.py`), Django's middleware unwinds, `request_finished` is sent, the thread and the
connection are released; then the stream goes on alone (`serving/stream_writer.py`).

Django answers requests that seem to ask for a stream on a few threads of ours
(`serving/request_threads.py`), which is faster. All other requests go to the wrapped application;
so do all requests if that isn't Django's own, or a middleware is only asynchronous. The view and
the response are the same either way.

The application also answers `health.py` without Django's middleware.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import lru_cache
from io import BytesIO
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler, ASGIRequest, get_script_prefix
from django.http import HttpResponse
from django.urls import resolve
from django.utils import translation

from . import conf
from .hub import garbage
from .hub.hub import Hub
from .logs import request_id
from .serving import servers, shutdown
from .serving.handover import Handover
from .serving.request_threads import RequestThreadHandler, RequestThreads
from .serving.servers import Message, Send, client_connection
from .serving.stream_writer import Receive, StreamWriter

Scope = dict[str, Any]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


# Whether an application was wrapped in this process, for deployment_checks.py.
_is_used = False


def is_used() -> bool:
    """Whether an application of this process was wrapped, even if middleware wraps it again."""
    return _is_used


def outlive_request(application: Application) -> Application:
    """Wrap Django's ASGI application: open streams cost no thread and no database connection.

    application: Django's, or ASGI middleware around Django's. Middleware sees every request, unless
        it has a true attribute `skips_streams`: then streams open faster, without it.

    Returns the wrapped ASGI application.
    """
    global _is_used
    _is_used = True
    servers.let_crowds_wait()
    request_threads = RequestThreads(conf.get("REQUEST_THREADS"), conf.get("QUERY_SECONDS"))
    # Other middleware may decide which requests reach Django, so it isn't bypassed.
    may_pass_by = isinstance(application, ASGIHandler) or getattr(
        application, "skips_streams", False
    )
    uses_threads = may_pass_by and not request_threads.handler.needs_event_loop

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        # Under a server without lifespan, such as daphne, the hub starts with the first request of
        # any kind, because the events of an order that it places have to be numbered, too.
        hub = Hub.current()
        shutdown.prepare()
        garbage.put_start_aside()
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        view = None
        if scope["method"] in ("GET", "HEAD"):  # a request thread has no body to give
            view = _probable_view(_path_info(scope), settings.ROOT_URLCONF)
        if view is not None and getattr(view, "skips_middleware", False):
            response = await view(ASGIRequest(scope, BytesIO()))
            await request_threads.handler.send_response(response, send)
            return
        handover = Handover(hub)
        exchange = _Exchange(handover, receive, send)
        scope = handover.in_scope(scope)
        if uses_threads and getattr(view, "is_event_stream", False):
            response = await request_threads.answer(scope, exchange.has_left)
            if response is None:
                return
            await exchange.answer(request_threads.handler, response)
            del response  # and its request, see below
        else:
            await application(scope, exchange.receive, exchange.send)
        if handover.stream is not None:
            way = client_connection(send, scope)
            writer = StreamWriter(handover.stream, way, request_id(scope))
            if exchange.is_over:
                return
            # A stream may be open for days, so it keeps nothing of its request.
            del scope, view, handover, exchange, way
            await writer.run(receive)

    return wrapped


class _Exchange:
    """Sits between the server and Django for one request, and sees its messages.

    is_over: the client has left. It is noted, because some servers send that message only once.
    """

    def __init__(self, handover: Handover, receive: Receive, send: Send) -> None:
        self._handover = handover
        self._receive = receive
        self._send = send
        # The start of a response, kept until its stream has been opened or has failed.
        self._head: Message | None = None
        self.is_over = False

    async def answer(self, handler: RequestThreadHandler, response: Any) -> None:
        """Send a response from a request thread."""
        if not response.streaming or getattr(response, "is_for_handover", False):
            await handler.send_response(response, self.send)
        else:
            # A streaming response of a middleware's own, which may never end.
            await self._stream(handler, response)
        if not response.closed:
            await sync_to_async(response.close)()

    async def _stream(self, handler: RequestThreadHandler, response: Any) -> None:
        sending = asyncio.create_task(
            handler.send_response(response, self.send), name="realtime-response"
        )
        leaving = asyncio.create_task(self.has_left(), name="realtime-disconnect")
        try:
            await asyncio.wait([sending, leaving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            sending.cancel()
            outcomes = await asyncio.gather(sending, leaving, return_exceptions=True)
        if isinstance(outcomes[0], Exception):
            raise outcomes[0]

    async def has_left(self) -> None:
        """Wait until the client has left."""
        while not self.is_over:
            await self.receive()

    async def receive(self) -> Message:
        message = await self._receive()
        self.is_over = message["type"] == "http.disconnect"
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._handover.is_awaited:
            self._head = message
            return
        if self._head is not None:
            head, self._head = self._head, None
            await self._send(_rejecting(head, self._handover.rejection))
        # The end of a body that has been handed over is not the end of the response.
        if self._handover.stream is None or message.get("more_body", False):
            await self._send(message)


def _rejecting(head: Message, rejection: HttpResponse | None) -> Message:
    """The start of a response, with the status and headers of the rejection that replaces it.

    Headers that middleware has added stay: without CORS headers a script can't read the status.
    """
    if rejection is None:
        return head
    own = {name.lower().encode(): value.encode("latin1") for name, value in rejection.items()}
    added = [(name, value) for name, value in head["headers"] if name.lower() not in own]
    return {**head, "status": rejection.status_code, "headers": [*added, *own.items()]}


def _path_info(scope: Scope) -> str:
    """The path below the site's prefix, as Django's ASGIRequest has it."""
    path: str = scope["path"]
    return path.removeprefix(get_script_prefix(scope).rstrip("/"))


@lru_cache(maxsize=1024)
def _probable_view(path_info: str, urlconf: Any) -> Callable[..., Any] | None:
    """The view that a request is probably for.

    Django resolves the URL itself, and middleware may choose another URLconf or language. So this
    only decides on which thread Django does that.
    """
    language = translation.get_language_from_path(path_info) or settings.LANGUAGE_CODE
    with translation.override(language):
        try:
            return resolve(path_info, urlconf).func
        except Exception:
            # Not only Resolver404: a project's path converter may query the database, which fails
            # on an event loop. Django will report the real error of a path.
            return None


async def _live(receive: Receive, send: Send) -> None:
    """https://asgi.readthedocs.io/en/latest/specs/lifespan.html"""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            garbage.put_start_aside()
            Hub.current()
        else:
            await Hub.close_current()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
