"""An order to begin with, and the events that wait in the log."""

import json
from decimal import Decimal
from typing import Any

from orders.models import Order
from realtime.models import OutboxEvent


def an_order(customer: Any, **values: Any) -> Order:
    """An order that isn't saved yet."""
    return Order(
        customer=customer,
        **{"product": "Tea", "quantity": 2, "unit_price": Decimal("4.50"), **values},
    )


def events() -> list[dict[str, Any]]:
    """What has been published, oldest first. No process numbers the events of these tests."""
    return [json.loads(event.data) for event in OutboxEvent.objects.order_by("id")]


def told() -> list[tuple[int, str]]:
    """Order and status of each event."""
    return [(event["order"], event["status"]) for event in events()]
