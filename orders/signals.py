"""A saved order rings: connected in `OrdersConfig.ready()`."""

from typing import Any

from .events import as_saved, is_as_saved, publish_orders
from .models import Order


def publish_order(
    sender: type[Order], instance: Order, created: bool, raw: bool, using: str, **kwargs: Any
) -> None:
    """Publish one event for each placing and each change of status, and for nothing else.

    raw: a fixture is loaded; it restores what has been told already.
    """
    if raw or not (created or instance.status_changes):
        return
    if created and is_as_saved(instance):
        publish_orders([instance], using)
    else:
        publish_orders(as_saved(Order.objects.using(using).filter(pk=instance.pk)), using)
