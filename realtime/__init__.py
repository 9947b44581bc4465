"""Push what happens in a Django application to the browser, live, without ever losing it.

    import realtime

    realtime.publish(to=document, type="changed", data={"title": document.title})

    # urls.py
    path("orders/realtime", realtime.EventStreamView.as_view(stream="orders"))

The names below are all that another app needs to publish and to stream. The modules `asgi`, `bell`,
`health`, `metrics`, `models` (to query the log's rows) and `testing`, and the template tags, are
public as well. Everything else may change from one version to the next.
"""

from typing import TYPE_CHECKING

from .lazy import exports

if TYPE_CHECKING:
    from .access.reauthorization import is_asked_again
    from .access.revocation import recheck, recheck_when_changed
    from .access.token_cookie import TokenCookieView
    from .exceptions import InvalidEvent, InvalidTopic, NotMigrated, RealtimeError
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
    "NotMigrated",
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

__getattr__ = exports(
    __name__,
    __all__,
    [
        "exceptions",
        "log.cursor",
        "log.topics",
        "log.publishing",
        "log.snapshot",
        "access.reauthorization",
        "access.revocation",
        "access.token_cookie",
        "views",
    ],
)
