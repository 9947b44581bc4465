"""The project's application in ASGI middleware, as one that watches over what is sent.

And without any beside it, so that one server shows both.
"""

import asyncio

from config.asgi import application as projects


async def application(scope, receive, send):
    async def watched_send(message):
        await send(message)

    await projects({**scope}, receive, watched_send)


async def behind_a_proxy(scope, receive, send):
    """The same, with the client that a proxy's header names, as such middleware puts it there."""
    await application({**scope, "client": ("203.0.113.7", 4711)}, receive, send)


async def through_a_channel(scope, receive, send):
    """The same, where another task sends what it was given, as Starlette's BaseHTTPMiddleware."""
    channel = asyncio.Queue(1)

    async def hand_on():
        while True:
            message = await channel.get()
            await asyncio.sleep(0.05)
            await send(message)

    handing_on = asyncio.create_task(hand_on())
    try:
        await projects(scope, receive, channel.put if scope["type"] == "http" else send)
    finally:
        handing_on.cancel()


THROUGH = {b"wrapped": application, b"proxied": behind_a_proxy, b"channel": through_a_channel}


async def each(scope, receive, send):
    """The one that the request's query names; nothing else in it, or none: the project's own."""
    chosen = THROUGH.get(scope.get("query_string", b""), projects)
    await chosen(scope, receive, send)
