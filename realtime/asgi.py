"""The ASGI application around Django's.

    # asgi.py
    application = outlive_request(get_asgi_application())

Django keeps a thread for each request that is open, and with it a database connection once the ORM
was touched: a thousand open streams would be a thousand threads, and the end of the database. So
here a stream outlives its request: Django authenticates and answers (`admission.py`), its
middleware unwinds, `request_finished` fires, thread and connection go back; then the stream goes on
alone (`pump.py`).

It also answers `health.py` without Django's middleware. Both work under Django's own handler too,
at the price of a thread for each request.
"""

from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.urls import Resolver404, resolve

from . import conf
from .hub.hub import Hub
from .serving import servers, shutdown
from .serving.rejections import Rejected, check_server
from .serving.request_threads import RequestThreads
from .serving.servers import Message, Send, client_connection
from .serving.stream_writer import Receive, StreamWriter

Scope = dict[str, Any]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def outlive_request(application: Application) -> Application:
    """Wrap Django's ASGI application: open streams cost no thread and no database connection."""
    servers.let_crowds_wait()
    request_threads = RequestThreads(conf.get("REQUEST_THREADS"), conf.get("QUERY_SECONDS"))

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] != "http":
            await application(scope, receive, send)
        elif getattr(view := _view(scope), "skips_middleware", False):
            shutdown.prepare()
            response = await view(ASGIRequest(scope, BytesIO()))
            await request_threads.handler.send_response(response, send)
        elif getattr(view, "outlives_request", False) and scope["method"] in ("GET", "HEAD"):
            shutdown.prepare()
            if (pump := await _open(request_threads, scope, send)) is not None:
                del scope, view  # a stream is open for days, and there are thousands
                await pump.run(receive)
        else:
            await application(scope, receive, send)

    return wrapped


def _view(scope: Scope) -> Callable[..., Any] | None:
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    try:
        return resolve(path).func
    except Resolver404:
        return None


async def _open(request_threads: RequestThreads, scope: Scope, send: Send) -> StreamWriter | None:
    """Have a request for a stream answered. Returns what goes on after it, if it was granted."""
    try:
        request = ASGIRequest(scope, BytesIO())
        check_server(request)
        response = await request_threads.answer(scope)
        # Unless some middleware has put another response in its place.
        if (open_stream := getattr(response, "open_stream", None)) is not None:
            stream = await open_stream(request)
            await send(_head(response))
            return StreamWriter(stream, client_connection(send))
    except Rejected as refused:
        response = refused.response
    await request_threads.handler.send_response(response, send)
    if not response.closed:
        await sync_to_async(response.close)()
    return None


def _head(response: HttpResponse) -> Message:
    headers = [(name.encode("latin1"), value.encode("latin1")) for name, value in response.items()]
    cookies = [
        (b"Set-Cookie", cookie.output(header="").strip().encode())
        for cookie in response.cookies.values()
    ]
    return {
        "type": "http.response.start",
        "status": response.status_code,
        "headers": headers + cookies,
    }


async def _live(receive: Receive, send: Send) -> None:
    """https://asgi.readthedocs.io/en/latest/specs/lifespan.html"""
    while True:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await Hub.close_current()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
