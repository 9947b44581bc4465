"""A client of the whole application, in the test's own event loop, that sees every message."""

import asyncio
import threading
from contextlib import asynccontextmanager

import pytest
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.db import connections
from django.db.backends.utils import CursorWrapper
from django.test import Client

from realtime.asgi import outlive_request
from tests.waiting import soon


class Answer:
    """What the application has sent for one request."""

    def __init__(self):
        self.messages = []
        self.arrived = asyncio.Event()
        self.left = asyncio.Event()
        self._asked = False

    async def send(self, message):
        self.messages.append(message)
        is_last = "body" in message and not message.get("more_body", False)
        if is_last or message.get("body", b"").startswith(b"retry: "):
            self.arrived.set()

    async def receive(self):
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    @property
    def status(self):
        return self.messages[0]["status"]

    @property
    def headers(self):
        return dict(self.messages[0]["headers"])

    @property
    def body(self):
        return b"".join(message.get("body", b"") for message in self.messages[1:])


@pytest.fixture
async def ask(hub, settings):
    """Asks a freshly made application for a stream; gives the answer as far as its first bytes.

    wrapped: whether it is in `outlive_request`. inside: what stands there around Django's.
    scope: what else there is in the request's.
    """
    settings.ROOT_URLCONF = "tests.realtime.serving.urls"
    applications = {}

    @asynccontextmanager
    async def ask(path="/plain", headers=(), *, method="GET", wrapped=True, inside=None, **scope):
        if wrapped not in applications:
            handler = inside(ASGIHandler()) if inside else ASGIHandler()
            applications[wrapped] = outlive_request(handler) if wrapped else handler
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [
                (b"host", b"localhost"),
                *((name.lower().encode(), value.encode()) for name, value in dict(headers).items()),
            ],
            **scope,
        }
        answer = Answer()
        task = asyncio.create_task(applications[wrapped](scope, answer.receive, answer.send))
        arrived = asyncio.create_task(answer.arrived.wait())
        await soon(asyncio.wait([task, arrived], return_when=asyncio.FIRST_COMPLETED))
        arrived.cancel()
        try:
            yield answer
        finally:
            answer.left.set()
            await soon(task)

    yield ask
    await sync_to_async(connections.close_all)()


@pytest.fixture
def statements(monkeypatch):
    """What is asked of the database while a request is let in."""
    seen = []
    execute = CursorWrapper.execute

    def watched(self, statement, *args, **kwargs):
        if threading.current_thread().name.startswith("realtime-request"):
            seen.append(statement)
        return execute(self, statement, *args, **kwargs)

    monkeypatch.setattr(CursorWrapper, "execute", watched)
    return seen


@sync_to_async
def session_cookie(user):
    client = Client()
    client.force_login(user)
    return {"Cookie": f"sessionid={client.cookies['sessionid'].value}"}
