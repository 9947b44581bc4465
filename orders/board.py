"""The staff's board: everybody's orders, the newest first, with counts and a chart."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.db.models import Count, F, QuerySet, Sum
from django.db.models.functions import TruncMinute
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

import realtime

from .events import STREAM
from .models import Order
from .status import Status
from .wording import WORDS, OfStatus

KEPT = 50
# Counting stops here: a shop has millions of delivered orders.
MOST_COUNTED = 9_999
MINUTES = 60
# The chart's scale is at least this many orders a minute, so that one order isn't a peak.
LEAST_SCALE = 5
LEAST_HEIGHT = 2
# A bar that is more than this many times as high as a usual minute is cut.
OUTLIER = 3


@dataclass(frozen=True)
class Filter:
    """Selects the orders that the board shows. An empty field selects all.

    `matches()` in static/orders/board_state.js applies the same filter to an event.
    """

    status: str = ""
    # Any part of it, in upper or lower case.
    customer: str = ""
    product: str = ""

    def orders(self) -> QuerySet[Order]:
        """The orders of the customer and the product, in any status."""
        orders = Order.objects.all()
        if self.customer:
            users = get_user_model().objects
            name = {f"{users.model.USERNAME_FIELD}__icontains": self.customer}
            # A subquery, so that PostgreSQL finds the few customers first, then their orders by
            # index.
            orders = orders.filter(customer__in=users.filter(**name).values("pk"))
        if self.product:
            orders = orders.filter(product__icontains=self.product)
        return orders


class NextStep(NamedTuple):
    status: Status
    words: str | Promise


NEXT_STEPS: dict[str, NextStep] = {
    Status.PLACED: NextStep(Status.PAID, _("Mark as paid")),
    Status.PAID: NextStep(Status.SHIPPED, _("Mark as shipped")),
    Status.SHIPPED: NextStep(Status.DELIVERED, _("Mark as delivered")),
}


@dataclass(frozen=True)
class Row(OfStatus):
    """One order, as templates/orders/board_row.html shows it.

    It is made from the data of the order's event, so that a row rendered here and one filled in by
    the script are the same. Without data it is the blank that the script fills in.
    """

    status: str
    order: int = 0
    product: str = ""
    quantity: int | str = ""
    total: Decimal | str = ""
    customer: str = ""
    placed_at: str = ""
    changed_at: str = ""

    @classmethod
    def from_order(cls, order: Order) -> "Row":
        data: dict[str, Any] = order.event_data()
        return cls(
            status=data["status"],
            order=data["order"],
            product=data["product"],
            quantity=data["quantity"],
            total=Decimal(data["total"]),
            customer=data["customer"],
            placed_at=data["placed_at"],
            changed_at=data["changed_at"],
        )

    @property
    def next_step(self) -> NextStep | None:
        """The shop's next action for the order; None if there is none."""
        return NEXT_STEPS.get(self.status)

    @property
    def placed_at_time(self) -> datetime | None:
        return datetime.fromisoformat(self.placed_at) if self.placed_at else None


@dataclass(frozen=True)
class StatusCount:
    """How many orders have a status; how many there are in all, if it is empty."""

    status: str
    label: str | Promise
    count: int

    @property
    def text(self) -> str:
        return f"{MOST_COUNTED}+" if self.count > MOST_COUNTED else str(self.count)


@dataclass(frozen=True)
class Minute:
    starts_at: datetime
    orders: int
    revenue: Decimal = Decimal(0)


class Bar(NamedTuple):
    """One minute of the chart, in whole numbers, which no language writes with a comma."""

    minute: Minute
    minutes_ago: int
    x: int
    y: int
    width: int
    height: int
    is_under_way: bool
    is_cut: bool  # higher than the scale


@dataclass(frozen=True)
class Pace:
    """How many orders were placed in each of the last sixty minutes, and the chart of it."""

    minutes: list[Minute]  # the oldest first; the last one is still under way

    height, bar_width, gap = 100, 8, 2

    @property
    def total(self) -> int:
        return sum(minute.orders for minute in self.minutes)

    @property
    def busiest(self) -> Minute:
        return max(self.minutes, key=lambda minute: minute.orders)

    @property
    def revenue(self) -> Decimal:
        return sum((minute.revenue for minute in self.minutes), Decimal(0))

    @property
    def scale(self) -> int:
        """How many orders a bar of full height stands for: 5, 10, 20, 50, 100 …

        A minute far above all others doesn't flatten them, because its bar is cut.
        """
        counts = [minute.orders for minute in self.minutes if minute.orders]
        if not counts:
            return LEAST_SCALE
        return round_up(max(LEAST_SCALE, min(max(counts), OUTLIER * median(counts))))

    @property
    def half(self) -> int | None:
        """The label of the tick in the middle; None if it would be no whole number."""
        return None if self.scale % 2 else self.scale // 2

    @property
    def width(self) -> int:
        return len(self.minutes) * (self.bar_width + self.gap)

    def bars(self) -> Iterator[Bar]:
        for index, minute in enumerate(self.minutes):
            if minute.orders:
                # A single order stays visible beside a minute with many.
                height = max(LEAST_HEIGHT, self.height * minute.orders // self.scale)
                height = min(height, self.height)
                yield Bar(
                    minute=minute,
                    minutes_ago=len(self.minutes) - 1 - index,
                    x=index * (self.bar_width + self.gap) + self.gap // 2,
                    y=self.height - height,
                    width=self.bar_width,
                    height=height,
                    is_under_way=minute is self.minutes[-1],
                    is_cut=minute.orders > self.scale,
                )


@dataclass(frozen=True)
class Summary:
    """Counts and chart for the orders of a filter, regardless of the filter's status."""

    counts: list[StatusCount]  # the first of all, then of each status
    pace: Pace


@dataclass(frozen=True)
class Board:
    """The board at one moment: the stream goes on after `cursor`."""

    cursor: realtime.Cursor
    rows: list[Row]  # the newest first
    newest: Row | None  # the list begins with the orders placed before this one
    oldest: Row | None  # the last order of the list, if there are older ones
    summary: Summary

    kept = KEPT
    statuses = list(Status)
    blanks = [Row(status) for status in (*WORDS, "")]


def board_snapshot(shown: Filter, before: Order | None = None) -> Board:
    """A page of the board: the newest orders, or those placed before one of them."""
    # The cursor is read first. A change that is committed before the list is read is then in both
    # the list and the stream, which does no harm: an event has the order's whole state.
    cursor = realtime.current_cursor(STREAM)
    orders = shown.orders().select_related("customer").order_by("-placed_at", "-pk")
    if shown.status:
        orders = orders.filter(status=shown.status)
    if before is not None:
        # Redundant, but it gives the index on both columns a place to begin.
        orders = orders.filter(placed_at__lte=before.placed_at)
        orders = orders.exclude(placed_at=before.placed_at, pk__gte=before.pk)
    rows = [Row.from_order(order) for order in orders[: KEPT + 1]]
    return Board(
        cursor=cursor,
        rows=rows[:KEPT],
        newest=Row.from_order(before) if before is not None else None,
        oldest=rows[KEPT - 1] if len(rows) > KEPT else None,
        summary=summary(shown),
    )


def summary(shown: Filter) -> Summary:
    """The counts by status and the orders of each minute, of the orders that a filter shows."""
    return Summary(counts=_counts(shown.orders().order_by()), pace=_pace(shown.orders()))


def _counts(orders: QuerySet[Order]) -> list[StatusCount]:
    """One short query for each status: a single query for all could not stop counting early."""
    counts = [
        StatusCount(status, WORDS[status].label, _count(orders.filter(status=status)))
        for status in Status
    ]
    return [StatusCount("", "", sum(each.count for each in counts)), *counts]


def _count(orders: QuerySet[Order]) -> int:
    """The number of orders, counted up to one above MOST_COUNTED."""
    return orders[: MOST_COUNTED + 1].count()


def _pace(orders: QuerySet[Order]) -> Pace:
    now = timezone.now()
    last = now.replace(second=0, microsecond=0)
    first = last - timedelta(minutes=MINUTES - 1)
    placed = (
        orders.filter(placed_at__gte=first, placed_at__lte=now)
        .annotate(minute=TruncMinute("placed_at"))
        .order_by()
        .values_list("minute")
        .annotate(Count("pk"), revenue=Sum(F("quantity") * F("unit_price")))
    )
    found = {start: Minute(start, count, revenue) for start, count, revenue in placed}
    starts = [first + timedelta(minutes=number) for number in range(MINUTES)]
    return Pace([found.get(start, Minute(start, 0)) for start in starts])


def round_up(number: float) -> int:
    """The next of 1, 2, 5, 10, 20, 50 …, for a scale whose ticks are whole."""
    size: int = 10 ** max(0, math.floor(math.log10(number)))
    return next(step * size for step in (1, 2, 5, 10) if step * size >= number)
