"""Placing orders: one by one through the ORM, many through `bulk_create`, very many in SQL.

Each order's product is `load NUMBER TIME`: by this the reader of its event (streams.c) knows when
its transaction began, and whether one comes twice. Imported when Django is set up.
"""

import itertools
import random
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

from django.contrib.auth.models import User
from django.db import connection, transaction

from orders.events import STREAM
from orders.models import Order
from realtime.hints import PENDING_CHANNEL

from . import places

# Ticks at which orders are placed: whatever has become due since the last one, in one transaction.
TICK_SECONDS = 0.01
# Up to here bulk_create keeps up beside all else that the load's core has to do.
BULK_PER_SECOND = 600
PLACE_ORDERS = (places.SOURCES / "place_orders.sql").read_text()

_numbers = itertools.count(1)


class Placed(NamedTuple):
    """orders: how many. seconds: from the first to the end of the last. behind: they took longer
    than they may at this rate, so that the rate was not reached."""

    orders: int
    seconds: float
    behind: bool


def place(orders_per_second: float, seconds: float, customers: Sequence[User]) -> Placed:
    """Place orders of random customers at this rate, for so long."""
    if orders_per_second <= 1 / TICK_SECONDS:
        return at_rate(orders_per_second, seconds, lambda due: _one_by_one(due, customers))
    if orders_per_second <= BULK_PER_SECOND:
        return at_rate(orders_per_second, seconds, lambda due: _in_bulk(due, customers))
    return at_rate(orders_per_second, seconds, lambda due: in_sql(due, customers))


def at_rate(per_second: float, seconds: float, publish: Callable[[int], None]) -> Placed:
    """Call `publish` at each tick with the number that has become due."""
    total = round(per_second * seconds)
    done = 0
    began = time.monotonic()
    while done < total:
        due = min(total, int((time.monotonic() - began) * per_second) + 1)
        if due > done:
            publish(due - done)
            done = due
        next_due = max(TICK_SECONDS, 1 / per_second)
        time.sleep(max(0.0, next_due - (time.monotonic() - began) % next_due))
    took = time.monotonic() - began
    return Placed(total, took, took > seconds * 1.05 + 0.1)


def product() -> str:
    """The name that carries the number and the time; call it when the transaction is to begin."""
    return f"load {next(_numbers)} {time.time_ns() // 1000}"


def _order(customer: User) -> Order:
    return Order(customer=customer, product=product(), quantity=2, unit_price=Decimal("4.50"))


def _one_by_one(count: int, customers: Sequence[User]) -> None:
    for _ in range(count):
        _order(random.choice(customers)).save()


def _in_bulk(count: int, customers: Sequence[User]) -> None:
    Order.objects.bulk_create([_order(customer) for customer in random.choices(customers, k=count)])


def in_sql(count: int, customers: Sequence[User]) -> None:
    """What `bulk_create` does, at a tenth of its price; tests/benchmarks compares the events."""
    chosen = random.choices(customers, k=count)
    with connection.cursor() as cursor:
        with transaction.atomic():
            cursor.execute(
                PLACE_ORDERS,
                {
                    "stream": STREAM,
                    "customers": [customer.pk for customer in chosen],
                    "products": [product() for _ in chosen],
                },
            )
        cursor.execute("SELECT pg_notify(%s, %s)", [PENDING_CHANNEL, STREAM])
