"""The view of a stream, and its response."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import cache, partial
from typing import Any, ClassVar

from asgiref.sync import sync_to_async
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.views import View

from . import conf
from .access.authentication import InvalidCredentials, authenticate
from .access.grants import Grant
from .exceptions import DatabaseUnavailable
from .hub.hub import Hub
from .hub.stream import EventStream
from .log.cursor import InvalidCursor, requested_cursor
from .log.topics import EVERYTHING, Topics, topic_of
from .postgres.deadlines import django_deadline
from .serving import request_threads
from .serving.rejections import UNBUFFERED, Rejected, TryAgainLater, check_server

logger = logging.getLogger("realtime")


class EventStreamResponse(StreamingHttpResponse):
    """An event stream.

    chunks: its text; nothing for the answer to HEAD, and for a stream that is yet to be opened.
    open_stream: opens it as a request asks, when that has ended, see asgi.py; raises Rejected.
    """

    def __init__(
        self,
        chunks: AsyncIterator[bytes] | None = None,
        *,
        open_stream: Callable[[HttpRequest], Awaitable[EventStream]] | None = None,
    ) -> None:
        self._chunks = _nothing() if chunks is None else chunks
        self.open_stream = open_stream
        super().__init__(self._chunks, content_type="text/event-stream", headers=UNBUFFERED)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        # Django closes what this returns, but not what that reads from: without this, a stream
        # whose client has left would go on until its garbage is collected.
        async with aclosing(self._chunks):
            async for chunk in super().__aiter__():
                yield chunk


async def _nothing() -> AsyncIterator[bytes]:
    for chunk in ():
        yield chunk


@cache
def _say_what_is_missing() -> None:
    """Once a process."""
    logger.warning(
        "Each open stream holds a thread, and with it a database connection, because the ASGI "
        "application is not wrapped. In asgi.py: from realtime.asgi import outlive_request; "
        "application = outlive_request(get_asgi_application())"
    )


class EventStreamView(View):
    """A stream of server-sent events: `EventStreamView.as_view(stream="orders")`.

    Everybody who is signed in gets the events published to them. With `?scope=all` those who hold
    `view_all_permission` get the events of all topics.

    `?recipient=<topic>` is for a page, which knows for whom it was rendered: when somebody else has
    signed in since in the same browser, it is refused instead of being told what is theirs.

    `?follow=no` ends the stream once it has said what there is, and lets EventSource ask again
    every few seconds: for a client behind a proxy that holds a stream back until its end.

    GET /…  [Last-Event-ID: <position>]  or  ?last_event_id=<position>
        200 text/event-stream: what came after that position, then what comes; without either,
            from now. A position that can't be honoured: one `event: reset`, see README.md.
        400 a scope there isn't, or `follow` is neither yes nor no; 401 nobody, or a wrong token;
            403 without the permission for `scope=all`, or not the recipient who is signed in.
        429 too many streams of this user, 503 too many of all, or the database is away: with
            Retry-After. To a client that accepts text/event-stream only, as EventSource, which
            would give up, the same is said by a stream that ends at once, with `retry:`.
    """

    http_method_names: ClassVar[list[str]] = ["get", "head"]
    stream: str = ""
    view_all_permission: str | None = None

    @classmethod
    def as_view(cls, **initkwargs: Any):
        view = super().as_view(**initkwargs)
        # It changes nothing; and a POST is to be told 405, not that it lacks a CSRF token.
        view.csrf_exempt = True
        view.outlives_request = True  # for realtime.asgi
        if cls.dispatch is View.dispatch and cls.get is EventStreamView.get:

            def in_thread(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
                self = cls(**initkwargs)
                self.setup(request, *args, **kwargs)
                return self.get_in_thread(request)

            in_thread.csrf_exempt = True
            request_threads.answer_in_thread(view, in_thread)
        return view

    async def get(self, request: HttpRequest) -> HttpResponse | EventStreamResponse:
        if request_threads.is_in_request_thread(request):
            return await sync_to_async(self.get_in_thread)(request)
        # Django's own handler goes on from here.
        _say_what_is_missing()
        try:
            check_server(request)
            # One hop into a thread for all that may query the database.
            with django_deadline(conf.get("QUERY_SECONDS")) as watched:
                response = await sync_to_async(watched(self.get_in_thread))(request)
            if getattr(response, "open_stream", None) is None:
                return response
            return EventStreamResponse((await response.open_stream(request)).chunks())
        except Rejected as refused:
            return refused.response

    def get_in_thread(self, request: HttpRequest) -> HttpResponse | EventStreamResponse:
        """All of the answer that may query the database; the stream is yet to be opened."""
        try:
            access, topics = self.admit(request)
            follow = self.follows(request)
        except Rejected as refused:
            return refused.response
        except (InterfaceError, OperationalError):
            return TryAgainLater(request, 503, "The database is away.", soon=True).response
        if request.method == "HEAD":
            return EventStreamResponse()
        return EventStreamResponse(
            open_stream=partial(self.open_stream, access=access, topics=topics, follow=follow)
        )

    def admit(self, request: HttpRequest) -> tuple[Grant, Topics]:
        """What they who ask may follow, and what that rests on. Raises Rejected."""
        try:
            signed_in = authenticate(request)
        except InvalidCredentials as error:
            raise Rejected(
                401, str(error), WWW_Authenticate='Bearer realm="events", error="invalid_token"'
            ) from error
        if signed_in is None:
            raise Rejected(
                401,
                "Sign in, or send an access token: Authorization: Bearer <access token>",
                WWW_Authenticate='Bearer realm="events"',
            )
        own = topic_of(signed_in.user)
        if request.GET.get("recipient", own) != own:
            raise Rejected(403, "Somebody else is signed in than the recipient asked for.")
        scope = request.GET.get("scope", "own")
        if scope == "own":
            return signed_in.access(), (own,)
        if scope != "all":
            raise Rejected(400, "scope has to be “own” (or left out) or “all”.")
        permission = self.view_all_permission
        if permission is None or not signed_in.user.has_perm(permission):
            raise Rejected(403, "You may not see everybody's events.")
        return signed_in.access(permission=permission), EVERYTHING

    def follows(self, request: HttpRequest) -> bool:
        """Whether the client stays when all has been said. Raises Rejected."""
        follow = request.GET.get("follow", "yes")
        if follow not in ("yes", "no"):
            raise Rejected(400, "follow has to be “yes” (or left out) or “no”.")
        return follow == "yes"

    async def open_stream(
        self, request: HttpRequest, *, access: Grant, topics: Topics, follow: bool
    ) -> EventStream:
        """The stream, standing where the client left off. Raises Rejected."""
        hub = Hub.current()
        try:
            # Also where the client brings a cursor: it may come from a process that is ahead of
            # this one, and must not be mistaken for one that is ahead of the log.
            tail = await hub.catch_up(self.stream)
        except DatabaseUnavailable as error:
            raise TryAgainLater(request, 503, "The event log is away.", soon=True) from error
        # Last of all, with nothing to wait for until it is open: a crowd must not pass together.
        check_server(request)
        if hub.streams.of(access.user) >= conf.get("MAX_STREAMS_PER_USER"):
            raise TryAgainLater(request, 429, "You have as many streams open as you may have.")
        try:
            cursor = requested_cursor(request)
            if cursor is None:
                cursor = tail.position
        except InvalidCursor:
            cursor = None
        return EventStream(hub, self.stream, topics, cursor, access=access, follow=follow)
