"""The handover: how a stream gets out of the request that asked for it.

Django answers the request. The stream goes on after it: `asgi.py` puts a handover into the
request's scope, the response leaves the opened stream there (`responses.py`), Django ends the
request, and `asgi.py` has the stream written (`stream_writer.py`).
"""

from typing import Any

from django.http import HttpRequest, HttpResponse

from ..hub.hub import Hub
from ..hub.stream import EventStream

SCOPE_KEY = "realtime.handover"


class Handover:
    """One request's.

    hub: of the server's event loop. stream: None until it is opened.
    is_awaited: a stream was granted, and is opened when the response's body is asked for.
    rejection: stands for the response whose stream could not be opened.
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
    """What is left of the scope of a request when that has ended, to make a request like it."""
    scope: dict[str, Any] = getattr(request, "scope", {})
    return {name: value for name, value in scope.items() if not name.startswith("realtime.")}
