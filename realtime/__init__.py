"""Push what happens in a Django application to the browser, live, without ever losing it.

    import realtime

    realtime.publish(to=document, type="changed", data={"title": document.title})

    # urls.py
    path("orders/realtime", realtime.EventStreamView.as_view(stream="orders"))

The names below are all that another app needs to publish and to stream. Public are, besides them,
the modules `asgi`, `bell`, `health`, `metrics`, `models` (the log's rows, to look up) and
`testing`, and the template tags. Whatever else there is may change from one version to the next.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .access.reauthorization import is_asked_again
    from .access.revocation import recheck, recheck_when_changed
    from .access.token_cookie import TokenCookieView
    from .exceptions import InvalidEvent, InvalidTopic, RealtimeError
    from .log.cursor import Cursor
    from .log.publishing import Message, apublish, publish, publish_many
    from .log.snapshot import acurrent_cursor, current_cursor
    from .log.topics import EVERYTHING, PUBLIC, Topic, topic_of
    from .views import EventStreamView

__version__ = "0.1.0"

__all__ = [
    "EVERYTHING",
    "PUBLIC",
    "Cursor",
    "EventStreamView",
    "InvalidEvent",
    "InvalidTopic",
    "Message",
    "RealtimeError",
    "TokenCookieView",
    "Topic",
    "acurrent_cursor",
    "apublish",
    "current_cursor",
    "is_asked_again",
    "publish",
    "publish_many",
    "recheck",
    "recheck_when_changed",
    "topic_of",
]

HOMES = (
    "exceptions",
    "log.cursor",
    "log.topics",
    "log.publishing",
    "log.snapshot",
    "access.reauthorization",
    "access.revocation",
    "access.token_cookie",
    "views",
)


def __getattr__(name: str) -> Any:
    # Imported on first use: Django imports this package before its app registry can load models.
    for module in HOMES:
        if name in __all__ and hasattr(home := import_module(f".{module}", __name__), name):
            # Kept: to look it up each time took a lone checkout 4 % longer.
            found = globals()[name] = getattr(home, name)
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
