"""Streams as a Django project without any library has them: a queue for each, an async view.

https://docs.djangoproject.com/en/5.2/ref/request-response/#streaminghttpresponse-objects
"""

import asyncio
from collections.abc import AsyncIterator

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

settings.configure(
    SECRET_KEY="benchmark",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    # What `django-admin startproject` gives, as far as it needs no database.
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
)
application = get_asgi_application()

clients: set[asyncio.Queue[str]] = set()


async def events(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        stream(), content_type="text/event-stream", headers={"Cache-Control": "no-cache"}
    )


async def stream() -> AsyncIterator[str]:
    queue: asyncio.Queue[str] = asyncio.Queue()
    clients.add(queue)
    try:
        yield "retry: 3000\n\n"
        while True:
            data = await queue.get()
            yield f"event: orders\ndata: {data}\n\n"
    finally:
        clients.discard(queue)


async def publish(request: HttpRequest) -> HttpResponse:
    data = request.body.decode()
    for queue in clients:
        queue.put_nowait(data)
    return HttpResponse(status=204)


urlpatterns = [path("events/", events), path("publish", publish)]
