"""Push what happens in a Django application to the browser, live, without ever losing it.

    import realtime

    realtime.publish(stream="orders", recipient=order.customer, data={"order": order.pk})

    # urls.py
    path("orders/realtime", realtime.EventStreamView.as_view(stream="orders"))

The names below are all that another app needs.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .exceptions import InvalidEvent, RealtimeError
    from .publishing import Message, publish, publish_many
    from .views import EventStreamView

_HOME = {
    "InvalidEvent": ".exceptions",
    "RealtimeError": ".exceptions",
    "Message": ".publishing",
    "publish": ".publishing",
    "publish_many": ".publishing",
    "EventStreamView": ".views",
}
__all__ = list(_HOME)


def __getattr__(name: str):
    # Django imports this package before its app registry can load models, so each name is
    # imported when it is first used.
    if name in _HOME:
        return getattr(import_module(_HOME[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
