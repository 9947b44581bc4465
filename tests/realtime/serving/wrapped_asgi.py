"""The project's application in ASGI middleware, as one that watches over what is sent."""

from config.asgi import application as projects


async def application(scope, receive, send):
    async def watched_send(message):
        await send(message)

    await projects({**scope}, receive, watched_send)


async def behind_a_proxy(scope, receive, send):
    """The same, with the client that a proxy's header names, as such middleware puts it there."""
    await application({**scope, "client": ("203.0.113.7", 4711)}, receive, send)
