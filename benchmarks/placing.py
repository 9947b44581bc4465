"""Placing orders: one by one through the ORM, many through `bulk_create`, very many in SQL.

Each order's product is the mark of pace.py. Imported when Django is set up.
"""

import random
from collections.abc import Sequence
from decimal import Decimal

from django.contrib.auth.models import User
from django.db import connection, transaction

from orders.events import ORDER_TYPE, STREAM
from orders.models import Order
from realtime.log.notifications import PENDING_CHANNEL

from . import places
from .pace import TICK_SECONDS, Published, at_rate, mark

# Up to here bulk_create keeps up beside all else that the load's core has to do.
BULK_PER_SECOND = 600
PLACE_ORDERS = (places.SOURCES / "place_orders.sql").read_text()


def place(orders_per_second: float, seconds: float, customers: Sequence[User]) -> Published:
    """Place orders of random customers at this rate, for so long."""
    if orders_per_second <= 1 / TICK_SECONDS:
        return at_rate(orders_per_second, seconds, lambda due: _one_by_one(due, customers))
    if orders_per_second <= BULK_PER_SECOND:
        return at_rate(orders_per_second, seconds, lambda due: _in_bulk(due, customers))
    return at_rate(orders_per_second, seconds, lambda due: in_sql(due, customers))


def order(customer: User) -> Order:
    return Order(customer=customer, product=mark(), quantity=2, unit_price=Decimal("4.50"))


def _one_by_one(count: int, customers: Sequence[User]) -> None:
    for _ in range(count):
        order(random.choice(customers)).save()


def _in_bulk(count: int, customers: Sequence[User]) -> None:
    Order.objects.bulk_create([order(customer) for customer in random.choices(customers, k=count)])


def in_sql(count: int, customers: Sequence[User]) -> None:
    """What `bulk_create` does, at a tenth of its price; tests/benchmarks compares the events."""
    in_sql_for(random.choices(customers, k=count))


def in_sql_for(customers: Sequence[User]) -> None:
    """An order of each of these."""
    with connection.cursor() as cursor:
        with transaction.atomic():
            cursor.execute(
                PLACE_ORDERS,
                {
                    "stream": STREAM,
                    "type": ORDER_TYPE,
                    "customers": [customer.pk for customer in customers],
                    "products": [mark() for _ in customers],
                },
            )
        cursor.execute("SELECT pg_notify(%s, %s)", [PENDING_CHANNEL, STREAM])
