"""Refusals: what is answered to a request that gets no stream."""

import math
import random

from django.http import HttpRequest, HttpResponse, JsonResponse

from .. import conf
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


class Rejected(Exception):
    """The request is answered with this error."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.response: HttpResponse = JsonResponse(
            {"detail": detail},
            status=status,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )


class TryAgainLater(Rejected):
    """There can't be a stream now, but later.

    EventSource gives up for good on any answer but 200. So a client that asks for an event stream
    gets one, which ends after it has said when to come back; others get the status they know.
    """

    def __init__(
        self, request: HttpRequest, status: int, detail: str, *, soon: bool = False
    ) -> None:
        """soon: as after any disconnect, for it is this process's or its database's trouble."""
        first, last = conf.get("RETRY_MILLISECONDS")
        within = (first / 1000, last / 1000) if soon else conf.get("COME_BACK_SECONDS")
        # A random time: whoever is sent away together must not come back together.
        seconds = random.uniform(*within)
        super().__init__(status, detail, Retry_After=str(math.ceil(seconds)))
        if "text/event-stream" in request.headers.get("Accept", ""):
            self.response = HttpResponse(
                wire.comment(detail) + wire.retry(int(seconds * 1000)),
                content_type="text/event-stream",
                headers=UNBUFFERED,
            )


def check_server(request: HttpRequest) -> None:
    """Whether this process can open a stream at all. Raises Rejected.

    Also asked before anything else is: to find out who it is takes a thread and the database.
    """
    hub = Hub.current()
    if hub.away is not None:
        raise TryAgainLater(request, 503, "The event log is away.", soon=True)
    if hub.is_draining:
        raise TryAgainLater(request, 503, "This server is about to restart.", soon=True)
    if len(hub.streams) >= conf.get("MAX_STREAMS"):
        raise TryAgainLater(request, 503, "This server has as many streams as it may have.")
