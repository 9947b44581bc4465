"""Where an order stands on its way, as its customer sees it at a glance."""

from typing import NamedTuple

from django.utils.functional import Promise

from .models import Order
from .status import Status
from .wording import WORDS

WAY = (Status.PLACED, Status.PAID, Status.SHIPPED, Status.DELIVERED)
# A cancelled order has no way ahead of it.
CANCELLED_WAY = (Status.PLACED, Status.CANCELLED)


class Stage(NamedTuple):
    """One stage of the way."""

    status: Status
    label: str | Promise
    is_reached: bool
    is_current: bool


def stages(order: Order) -> list[Stage]:
    """The whole way of this order, what lies ahead included."""
    way = CANCELLED_WAY if order.status == Status.CANCELLED else WAY
    reached = way.index(Status(order.status))
    return [
        Stage(status, WORDS[status].label, place <= reached, place == reached)
        for place, status in enumerate(way)
    ]
