"""What is done to an order is published: connected in `OrdersConfig.ready()`."""

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


def publish_deletion(sender: type[Order], instance: Order, using: str, **kwargs: Any) -> None:
    """Publish one event for each order that is deleted, by whatever way Django deletes it."""
    instance.publish_deletion(using)
