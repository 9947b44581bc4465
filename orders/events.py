"""What the stream of orders tells: of an order, and of what a user has looked at in their bell."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.utils.timezone import is_aware

import realtime
from realtime.models import Stream

if TYPE_CHECKING:
    from .models import Bell, Order

STREAM = "orders"
# The types of its events: an order was placed or moved on; a bell was looked at.
ORDER_TYPE = STREAM
BELL_TYPE = "bell"


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
        "placed_at": utc_text(order.placed_at),
        "changed_at": utc_text(order.changed_at),
    }


def bell_event(bell: "Bell") -> dict[str, Any]:
    """The data of an event: all that its user has seen and read, not only what is new of it."""
    return {
        "seen_position": bell.seen_position,
        "read_position": bell.read_position,
        "read_positions": bell.read_positions,
    }


def publish_orders(orders: "Iterable[Order]", using: str) -> None:
    """Publish an event for each of these orders, in the transaction that is open now.

    orders: as their rows are now, see `as_saved()`.
    """
    realtime.publish_many(
        [realtime.Message(order.customer, order_event(order)) for order in orders],
        stream=STREAM,
        type=ORDER_TYPE,
        using=using,
    )


def as_saved(orders: "QuerySet[Order]") -> "QuerySet[Order]":
    """These orders as the table holds them, with all that their events tell.

    An instance that was saved may hold a price not yet rounded, or a field changed in memory and
    left out of `update_fields`.
    """
    return orders.select_related("customer").order_by("pk")


def is_as_saved(order: "Order") -> bool:
    """Whether an order just inserted is what its row is, so that it need not be read again.

    It is if each value is of the type that comes out of the column, and needed no rounding.
    """
    return (
        type(order.pk) is int
        and type(order.product) is str
        and type(order.quantity) is int
        and type(order.unit_price) is Decimal
        and order.unit_price == round(order.unit_price, 2)
        and type(order.placed_at) is datetime
        and is_aware(order.placed_at)
        and order.status_changed_at is None
    )


def publish_bell(bell: "Bell", using: str) -> None:
    """Publish what the user of this saved bell has seen and read, to all their pages."""
    realtime.publish(
        stream=STREAM, type=BELL_TYPE, recipient=bell.user_id, data=bell_event(bell), using=using
    )


def stream_position() -> int:
    """The last position given out in the stream of orders; 0 if it has had no event yet."""
    return Stream.objects.filter(pk=STREAM).values_list("position", flat=True).first() or 0


def utc_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
