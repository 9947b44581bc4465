"""sse-starlette, as its README shows it: https://github.com/sysid/sse-starlette."""

import asyncio
from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

clients: set[asyncio.Queue[str]] = set()


async def events(request: Request) -> EventSourceResponse:
    return EventSourceResponse(stream())


async def stream() -> AsyncIterator[ServerSentEvent]:
    queue: asyncio.Queue[str] = asyncio.Queue()
    clients.add(queue)
    try:
        while True:
            yield ServerSentEvent(data=await queue.get(), event="orders")
    finally:
        clients.discard(queue)


async def publish(request: Request) -> Response:
    data = (await request.body()).decode()
    for queue in clients:
        queue.put_nowait(data)
    return Response(status_code=204)


application = Starlette(
    routes=[Route("/events/", events), Route("/publish", publish, methods=["POST"])]
)
