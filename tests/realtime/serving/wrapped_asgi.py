"""The project's application in ASGI middleware, as one that watches over what is sent."""

from config.asgi import application as projects


async def application(scope, receive, send):
    async def watched_send(message):
        await send(message)

    await projects({**scope}, receive, watched_send)
