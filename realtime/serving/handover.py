"""The handover: it takes a stream out of the request that asked for it.

A stream goes on after Django has ended its request: `asgi.py` puts a handover into the request's
scope, the response puts the opened stream into the handover (`responses.py`), Django ends the
request, and `asgi.py` has the stream written (`stream_writer.py`).
"""

from typing import Any

from django.http import HttpRequest, HttpResponse

from ..hub.hub import Hub
from ..hub.stream import EventStream

SCOPE_KEY = "realtime.handover"


class Handover:
    """The handover of one request.

    hub: the hub of the server's event loop. stream: the opened stream; None until it is opened.
    is_awaited: a stream was granted; it is opened when the response's body is read.
    rejection: the response to send instead, if the stream could not be opened.
    """

    __slots__ = ("hub", "is_awaited", "rejection", "stream")

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.stream: EventStream | None = None
        self.is_awaited = False
        self.rejection: HttpResponse | None = None

    def in_scope(self, scope: dict[str, Any]) -> dict[str, Any]:
        """A copy of an ASGI scope, with this handover in it."""
        return {**scope, SCOPE_KEY: self}


def handover_of(request: HttpRequest) -> Handover | None:
    """The handover of a request; None if its application isn't wrapped, or in a test client."""
    return getattr(request, "scope", {}).get(SCOPE_KEY)


def lasting_scope(request: HttpRequest) -> dict[str, Any]:
    """The part of a request's scope that is kept after its end, to make a similar request later."""
    scope: dict[str, Any] = getattr(request, "scope", {})
    return {name: value for name, value in scope.items() if not name.startswith("realtime.")}
