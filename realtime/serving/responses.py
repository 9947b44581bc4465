"""The response that is an event stream, on every way in which Django can send it."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from functools import cache
from typing import Any

from asgiref.sync import async_to_sync
from django.db import connections
from django.http import HttpRequest, StreamingHttpResponse

from ..exceptions import DatabaseUnavailable
from ..hub.hub import Hub
from .admission import Admission
from .handover import handover_of
from .rejections import UNBUFFERED, accepts_streams, come_back_soon, log_away
from .thread_loop import is_request_thread

logger = logging.getLogger("realtime")


class EventStreamResponse(StreamingHttpResponse):
    """An event stream, which is opened when the response's body is read.

    In a request with a handover the body is empty: the opened stream is put into the handover, and
    goes on after the request. Otherwise the body is the stream. For a test client without an event
    loop, the body is the events that there are, and ends.

    request: the request that is answered.
    admission: the granted stream; None in the response to HEAD.
    """

    def __init__(self, request: HttpRequest, admission: Admission | None) -> None:
        # Not the request itself, which would be kept for as long as this response.
        self._handover = handover_of(request)
        self._admission = admission
        self._accepts_streams = accepts_streams(request)
        if self._handover is not None:
            self._handover.is_awaited = admission is not None
        # Whether a middleware has replaced the stream by a body of its own, or wrapped it.
        self._is_replaced = False
        self._chunks: Any = iter(())
        if admission is not None and hasattr(request, "scope"):
            self._chunks = _until_the_client_leaves(admission)
        elif admission is not None:
            self._chunks = _what_there_is(admission)
        elif hasattr(request, "scope"):
            self._chunks = _nothing()
        super().__init__(self._chunks, content_type="text/event-stream", headers=UNBUFFERED)

    @property
    def streaming_content(self) -> Any:
        return super().streaming_content

    @streaming_content.setter
    def streaming_content(self, value: Any) -> None:
        self._is_replaced = value is not self._chunks
        inherited: Any = StreamingHttpResponse.streaming_content
        inherited.fset(self, value)

    @property
    def is_for_handover(self) -> bool:
        """Whether the stream goes on after the request.

        Not if some middleware has made another response, which reads this one: Django's handler
        notes itself in the one that it sends, and nowhere else.
        """
        is_sent = self._handler_class is not None  # type: ignore[attr-defined]  # Django's own
        return self._handover is not None and not self._is_replaced and is_sent

    def close(self) -> None:
        super().close()
        if self._handover is not None and not is_request_thread():
            # Django's handler gives each request a thread of its own, which ends now. Connections
            # that CONN_MAX_AGE keeps would stay open until the garbage collector finds them.
            for connection in connections.all(initialized_only=True):
                if not connection.in_atomic_block:
                    connection.close()

    def __iter__(self) -> Iterator[bytes]:
        if self.is_async:
            # Django would read it to its end first. No TypeError, which join() has other words for.
            raise RuntimeError(
                "An event stream has no end, so its body can't be read synchronously, as some "
                "middleware has tried to. Let that leave alone what is `response.streaming`, or "
                "put an asynchronous generator in place of `response.streaming_content`."
            )
        return super().__iter__()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._admission is None:
            return
        handover, admission = self._handover, self._admission
        if handover is not None and admission is not None and self.is_for_handover:
            try:
                handover.stream = await admission.open(handover.hub)
            except DatabaseUnavailable:
                if self._accepts_streams:
                    yield come_back_soon()
                else:
                    handover.rejection = log_away()
                    yield handover.rejection.content
            return
        if self._handover is None:
            _say_that_the_application_is_not_wrapped()
        # Django closes this generator, but not the one that it reads from: without this, a stream
        # whose client has left would go on until the garbage collector runs.
        async with aclosing(self._chunks):
            async for chunk in super().__aiter__():
                yield chunk


async def _nothing() -> AsyncGenerator[bytes, None]:
    return
    yield b""


async def _until_the_client_leaves(admission: Admission) -> AsyncGenerator[bytes, None]:
    try:
        stream = await admission.open(Hub.current())
    except DatabaseUnavailable:
        yield come_back_soon()
        return
    async with aclosing(stream.chunks()) as chunks:
        async for chunk in chunks:
            yield chunk


def _what_there_is(admission: Admission) -> Iterator[bytes]:
    async def read() -> list[bytes]:
        admission.follow = False
        try:
            stream = await admission.open(Hub.current())
            return [chunk async for chunk in stream.chunks()]
        except DatabaseUnavailable:
            return [come_back_soon()]
        finally:
            await Hub.close_current()

    yield from async_to_sync(read)()


@cache
def _say_that_the_application_is_not_wrapped() -> None:
    """Once a process."""
    logger.warning(
        "Each open stream holds a thread, and with it a database connection, because the ASGI "
        "application is not wrapped. In asgi.py: from realtime.asgi import outlive_request; "
        "application = outlive_request(get_asgi_application())"
    )
