"""A saved order rings: connected in `OrdersConfig.ready()`."""

from typing import Any

from .models import Order


def publish_order(
    sender: type[Order], instance: Order, created: bool, raw: bool, using: str, **kwargs: Any
) -> None:
    """Publish one event for each placing and each change of status, and for nothing else.

    raw: a fixture is loaded; it restores what has been told already.
    """
    if raw or not (created or instance.status_changes):
        return
    instance.publish(using)
