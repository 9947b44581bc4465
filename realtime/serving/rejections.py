"""Rejections: the answers to requests that get no stream."""

import math
import random
import sys

from django.http import HttpRequest, HttpResponse, JsonResponse

from .. import conf
from ..access.grants import Grant, is_anonymous
from ..counts import counts
from ..hub.hub import Hub
from ..log import wire

UNBUFFERED = {
    # https://html.spec.whatwg.org/multipage/server-sent-events.html#authoring-notes
    "Cache-Control": "no-cache, no-transform",
    # Turns off nginx's buffering.
    "X-Accel-Buffering": "no",
    # GZipMiddleware would hold events back until its buffer is full, unless it sees this.
    "Content-Encoding": "identity",
}
LOG_AWAY = "The event log can't be reached."
REASONS = {
    400: "malformed",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    501: "wsgi",
}
FULL = "This server has reached its limit of open streams."


class Rejected(Exception):
    """Raised to answer the request with an error."""

    def __init__(self, status: int, detail: str, *, reason: str = "", **headers: str) -> None:
        """Count the rejection.

        status: the HTTP status. detail: a sentence for the client.
        reason: a word for the metrics; the default is the status's own. headers: the response's.
        """
        super().__init__(detail)
        counts.rejected[f"{status} {reason or REASONS[status]}"] += 1
        # Some caches would keep a 404 for minutes, and send it to clients that may follow.
        headers = {"Cache_Control": "no-store", **headers}
        self.response: HttpResponse = JsonResponse(
            {"detail": detail},
            status=status,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )


class NeedsASGI(Rejected):
    """The server speaks WSGI: it has few threads, and each open stream would hold one."""

    def __init__(self) -> None:
        super().__init__(
            501,
            "Streams need an ASGI server. Pages may be served by WSGI; send the address of the "
            "streams to a process that runs asgi.py, such as daphne or uvicorn.",
        )


def is_of_test_client(request: HttpRequest) -> bool:
    """Whether the request comes from django.test.Client, and not from a WSGI server."""
    # Not imported: a process that hasn't imported this module has no test client.
    client = sys.modules.get("django.test.client")
    return client is not None and isinstance(request.META.get("wsgi.input"), client.FakePayload)


class TryAgainLater(Rejected):
    """There can't be a stream now, but there can be one later.

    EventSource gives up for good on any answer but 200. So a client that asks for an event stream
    gets one that tells it when to reconnect, and ends. Other clients get the error status.
    """

    def __init__(
        self, request: HttpRequest, status: int, detail: str, *, reason: str, soon: bool = False
    ) -> None:
        """soon: the client comes back as after any disconnect, because the cause will pass soon:
        this process restarts, or its database is away.
        """
        seconds = _seconds(soon=soon)
        super().__init__(status, detail, reason=reason, Retry_After=str(math.ceil(seconds)))
        if accepts_streams(request):
            self.response = HttpResponse(
                wire.comment(detail) + wire.retry(int(seconds * 1000)),
                content_type="text/event-stream",
                headers=UNBUFFERED,
            )


def accepts_streams(request: HttpRequest) -> bool:
    """Whether the client asks for a stream as EventSource does. EventSource gives up on a 503."""
    return "text/event-stream" in request.headers.get("Accept", "")


def log_away() -> HttpResponse:
    """The 503 for other clients, if the event log can't be reached when the stream is opened."""
    seconds = str(math.ceil(_seconds(soon=True)))
    return Rejected(503, LOG_AWAY, reason="away", Retry_After=seconds).response


def come_back_soon() -> bytes:
    """All that a stream sends if the event log can't be reached and its response has begun."""
    counts.rejected["503 away"] += 1
    return wire.comment(LOG_AWAY) + wire.retry(int(_seconds(soon=True) * 1000))


def check_hub(request: HttpRequest, hub: Hub, stream: str) -> None:
    """Raises Rejected if this process can't open a stream of this name now.

    It needs no query, and is called before everything that does.
    """
    if hub.follower_of(stream).away is not None:
        raise TryAgainLater(request, 503, LOG_AWAY, reason="away", soon=True)
    if hub.is_draining:
        raise TryAgainLater(
            request, 503, "This server is about to restart.", reason="draining", soon=True
        )
    if len(hub.streams) >= conf.get("MAX_STREAMS"):
        raise TryAgainLater(request, 503, FULL, reason="full")


def reserve_place(
    request: HttpRequest, hub: Hub, grant: Grant, *, most_of_address: int | None = None
) -> None:
    """Reserve a place for a stream that is about to be opened. Raises Rejected at a limit.

    most_of_address: how many streams an anonymous visitor may have; None: the setting's number.
    """
    most_of_user = conf.get("MAX_STREAMS_PER_USER")
    if is_anonymous(grant.user):
        if hub.streams.anonymous >= conf.get("MAX_ANONYMOUS_STREAMS"):
            raise TryAgainLater(
                request, 503, "The limit of anonymous visitors is reached.", reason="visitors"
            )
        most_of_user = most_of_address or conf.get("MAX_STREAMS_PER_ADDRESS")
    if hub.streams.reserve(grant, conf.get("MAX_STREAMS"), most_of_user):
        return
    if len(hub.streams) >= conf.get("MAX_STREAMS"):
        raise TryAgainLater(request, 503, FULL, reason="full")
    raise TryAgainLater(request, 429, "You have reached your limit of open streams.", reason="user")


def _seconds(*, soon: bool) -> float:
    """How long the client waits: a random time, so that clients don't all return together."""
    first, last = conf.get("RETRY_MILLISECONDS")
    return random.uniform(*((first / 1000, last / 1000) if soon else conf.get("COME_BACK_SECONDS")))
