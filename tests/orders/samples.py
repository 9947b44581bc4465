"""An order to begin with, and the events that it makes."""

import json
from decimal import Decimal
from typing import Any

from django.db import connection

from orders.events import SHOP_TYPES, STREAM
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
    found = OutboxEvent.objects.filter(stream=STREAM, type__in=SHOP_TYPES).order_by("id")
    return [json.loads(event.data) for event in found]


def told() -> list[tuple[int, str]]:
    """Order and status of each event."""
    return [(event["order"], event["status"]) for event in events()]


def number_waiting() -> None:
    """Give all events that wait their positions: what a process that listens does by itself."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM realtime_number_events(%s, 10000, 10001, NULL)", [STREAM])


def place(customer: Any, product: str = "Espresso cups", quantity: int = 2) -> Order:
    """Place an order, whose event gets its position at once."""
    order = an_order(customer, product=product, quantity=quantity)
    order.save()
    number_waiting()
    return order


def place_many(customer: Any, count: int) -> None:
    """Place as many orders, whose events get their positions at once."""
    Order.objects.bulk_create(an_order(customer) for _ in range(count))
    number_waiting()


def move_on(order: Order, *statuses: str) -> None:
    """Bring an order to each of these statuses, whose events get their positions at once."""
    for status in statuses:
        order.status = status
        order.save()
    number_waiting()
