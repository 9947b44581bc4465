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
    # nginx: pass on what comes as it comes.
    "X-Accel-Buffering": "no",
    # GZipMiddleware would hold events back until its buffer is full, unless it sees this.
    "Content-Encoding": "identity",
}
LOG_AWAY = "The event log is away."
REASONS = {
    400: "malformed",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    501: "wsgi",
}
FULL = "This server has as many streams as it may have."


class Rejected(Exception):
    """The request is answered with this error."""

    def __init__(self, status: int, detail: str, *, reason: str = "", **headers: str) -> None:
        """reason: in a word, for the metrics; the default says no more than the status."""
        super().__init__(detail)
        counts.rejected[f"{status} {reason or REASONS[status]}"] += 1
        # Some caches would keep a 404 for minutes, and tell it to whoever may follow.
        headers = {"Cache_Control": "no-store", **headers}
        self.response: HttpResponse = JsonResponse(
            {"detail": detail},
            status=status,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )


class NeedsASGI(Rejected):
    """A WSGI server would hold a thread for each open stream, and has few."""

    def __init__(self) -> None:
        super().__init__(
            501,
            "Streams need an ASGI server. Pages may be served by WSGI; send the address of the "
            "streams to a process that runs asgi.py, such as daphne or uvicorn.",
        )


def is_of_test_client(request: HttpRequest) -> bool:
    """Whether django.test.Client has sent it, and no WSGI server."""
    # Nothing is imported: a process that never did so has no test client.
    client = sys.modules.get("django.test.client")
    return client is not None and isinstance(request.META.get("wsgi.input"), client.FakePayload)


class TryAgainLater(Rejected):
    """There can't be a stream now, but later.

    EventSource gives up for good on any answer but 200. So a client that asks for an event stream
    gets one, which ends after it has said when to come back; others get the status they know.
    """

    def __init__(
        self, request: HttpRequest, status: int, detail: str, *, reason: str, soon: bool = False
    ) -> None:
        """soon: as after any disconnect, for it is this process's or its database's trouble."""
        seconds = _seconds(soon=soon)
        super().__init__(status, detail, reason=reason, Retry_After=str(math.ceil(seconds)))
        if accepts_streams(request):
            self.response = HttpResponse(
                wire.comment(detail) + wire.retry(int(seconds * 1000)),
                content_type="text/event-stream",
                headers=UNBUFFERED,
            )


def accepts_streams(request: HttpRequest) -> bool:
    """Whether the client asks for a stream as EventSource does, which gives up on a 503."""
    return "text/event-stream" in request.headers.get("Accept", "")


def log_away() -> HttpResponse:
    """The answer to other clients if the event log turns out to be away when a stream is opened."""
    seconds = str(math.ceil(_seconds(soon=True)))
    return Rejected(503, LOG_AWAY, reason="away", Retry_After=seconds).response


def come_back_soon() -> bytes:
    """The whole of a stream for which the event log is away, once the response has begun."""
    counts.rejected["503 away"] += 1
    return wire.comment(LOG_AWAY) + wire.retry(int(_seconds(soon=True) * 1000))


def check_hub(request: HttpRequest, hub: Hub, stream: str) -> None:
    """Whether this process can open a stream of this name at all. Raises Rejected.

    It is asked before anything that takes the database.
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
    """Count the stream that is about to be opened against the limits. Raises Rejected.

    most_of_address: how many an anonymous visitor may have; None: as the setting says.
    """
    most_of_user = conf.get("MAX_STREAMS_PER_USER")
    if is_anonymous(grant.user):
        if hub.streams.anonymous >= conf.get("MAX_ANONYMOUS_STREAMS"):
            raise TryAgainLater(
                request, 503, "There are as many visitors as there may be.", reason="visitors"
            )
        most_of_user = most_of_address or conf.get("MAX_STREAMS_PER_ADDRESS")
    if hub.streams.reserve(grant, conf.get("MAX_STREAMS"), most_of_user):
        return
    if len(hub.streams) >= conf.get("MAX_STREAMS"):
        raise TryAgainLater(request, 503, FULL, reason="full")
    raise TryAgainLater(
        request, 429, "You have as many streams open as you may have.", reason="user"
    )


def _seconds(*, soon: bool) -> float:
    """When to come back. A random time: clients sent away together must not return together."""
    first, last = conf.get("RETRY_MILLISECONDS")
    return random.uniform(*((first / 1000, last / 1000) if soon else conf.get("COME_BACK_SECONDS")))
