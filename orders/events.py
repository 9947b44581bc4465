"""What the stream of orders tells about an order."""

from datetime import UTC
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet

import realtime

if TYPE_CHECKING:
    from .models import Order

STREAM = "orders"


def order_event(order: "Order") -> dict[str, Any]:
    """The data of an event: the order as it is now, in JSON's own types."""
    return {
        "order": order.pk,
        "status": order.status,
        "product": order.product,
        "quantity": order.quantity,
        "unit_price": f"{order.unit_price:.2f}",
        "total": f"{order.total:.2f}",
        "customer": order.customer.get_username(),
        "placed_at": order.placed_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }


def publish_orders(orders: "QuerySet[Order]") -> None:
    """Publish an event for each of these saved orders, in the transaction that is open now.

    It takes rows to read, not instances: an instance may hold a price not yet rounded, or a field
    changed in memory and left out of `update_fields`. The event tells what the table holds.
    """
    rows = orders.select_related("customer").order_by("pk")
    realtime.publish_many(
        [realtime.Message(order.customer, order_event(order)) for order in rows],
        stream=STREAM,
        using=orders.db,
    )
