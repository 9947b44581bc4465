"""The view of a stream, and its response."""

from collections.abc import AsyncIterator
from typing import Any, ClassVar

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.views import View

from .authentication import InvalidCredentials, authenticate
from .cursor import InvalidCursor, requested_cursor
from .exceptions import DatabaseAway
from .handover import hand_over
from .hub import Hub
from .publishing import recipient_key
from .stream import EventStream

RETRY_AFTER_SECONDS = 5


class EventStreamResponse(StreamingHttpResponse):
    """An event stream. Under `realtime.asgi.outlive_request` it goes on after its request."""

    def __init__(self, stream: EventStream | None, request: HttpRequest) -> None:
        """stream: None for the answer to HEAD, which has no body."""
        super().__init__(self._body(stream, request), content_type="text/event-stream")
        # https://html.spec.whatwg.org/multipage/server-sent-events.html#authoring-notes
        self["Cache-Control"] = "no-cache, no-transform"
        # nginx: pass on what comes as it comes.
        self["X-Accel-Buffering"] = "no"
        # GZipMiddleware would hold events back until its buffer is full, unless it sees this.
        self["Content-Encoding"] = "identity"

    @staticmethod
    def _body(stream: EventStream | None, request: HttpRequest) -> AsyncIterator[bytes]:
        if stream is None or hand_over(stream, request):
            return _nothing()
        return stream.chunks()


async def _nothing() -> AsyncIterator[bytes]:
    for chunk in ():
        yield chunk


class Refused(Exception):
    """The request is answered with this error."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.response = JsonResponse(
            {"detail": detail},
            status=status,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )


class EventStreamView(View):
    """A stream of server-sent events: `EventStreamView.as_view(stream="orders")`.

    Everybody who is signed in gets the events published for them as the recipient. With
    `?scope=all` those who hold `view_all_permission` get the events of all recipients.

    GET /…  [Last-Event-ID: <position>]  or  ?last_event_id=<position>
        200 text/event-stream: what came after that position, then what comes; without either,
            from now. A position that can't be honoured: one `event: reset`, see README.md.
        400 a scope there isn't; 401 nobody, or a wrong token; 403 without the permission for
            `scope=all`; 503 while the database is away, with Retry-After.
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
        return view

    async def get(self, request: HttpRequest) -> HttpResponse | EventStreamResponse:
        try:
            # One hop into a thread for all that may query the database.
            recipient = await sync_to_async(self.get_recipient)(request)
            if request.method == "HEAD":
                return EventStreamResponse(None, request)
            return EventStreamResponse(await self.open_stream(request, recipient), request)
        except Refused as refused:
            return refused.response

    def get_recipient(self, request: HttpRequest) -> str | None:
        """Whose events this request gets; None: everybody's. Raises Refused."""
        try:
            user = authenticate(request)
        except InvalidCredentials as error:
            raise Refused(
                401, str(error), WWW_Authenticate='Bearer realm="events", error="invalid_token"'
            ) from error
        if user is None:
            raise Refused(
                401,
                "Sign in, or send an access token: Authorization: Bearer <access token>",
                WWW_Authenticate='Bearer realm="events"',
            )
        scope = request.GET.get("scope", "own")
        if scope == "own":
            return recipient_key(user)
        if scope != "all":
            raise Refused(400, "scope has to be “own” (or left out) or “all”.")
        if self.view_all_permission is None or not user.has_perm(self.view_all_permission):
            raise Refused(403, "You may not see everybody's events.")
        return None

    async def open_stream(self, request: HttpRequest, recipient: str | None) -> EventStream:
        """The stream, standing where the client left off. Raises Refused."""
        hub = Hub.current()
        try:
            # Also where the client brings a cursor: it may come from a process that is ahead of
            # this one, and must not be mistaken for one that is ahead of the log.
            tail = await hub.catch_up(self.stream)
        except DatabaseAway as error:
            raise Refused(
                503, "The event log is away; please come back.", Retry_After=RETRY_AFTER_SECONDS
            ) from error
        try:
            cursor = requested_cursor(request)
            if cursor is None:
                cursor = tail.position
        except InvalidCursor:
            cursor = None
        return EventStream(hub, self.stream, recipient, cursor)
