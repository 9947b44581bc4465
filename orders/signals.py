"""Signal receivers that publish changes of orders. `OrdersConfig.ready()` connects them."""

from typing import Any

from .models import Order


def publish_order(
    sender: type[Order], instance: Order, created: bool, raw: bool, using: str, **kwargs: Any
) -> None:
    """Publish one event for each placing and each change of status, and for nothing else.

    raw: a fixture is being loaded, whose orders have had their events already.
    """
    if raw or not (created or instance.status_changes):
        return
    instance.publish(using)


def publish_deletion(sender: type[Order], instance: Order, using: str, **kwargs: Any) -> None:
    """Publish one event for each deleted order, however Django deletes it."""
    instance.publish_deletion(using)
