"""The stages of an order, which show its customer at a glance how far it is."""

from typing import NamedTuple

from django.utils.functional import Promise

from .models import Order
from .status import Status
from .wording import WORDS

WAY = (Status.PLACED, Status.PAID, Status.SHIPPED, Status.DELIVERED)
# A cancelled order has no further stages.
CANCELLED_WAY = (Status.PLACED, Status.CANCELLED)


class Stage(NamedTuple):
    """One stage of an order."""

    status: Status
    label: str | Promise
    is_reached: bool
    is_current: bool


def stages(order: Order) -> list[Stage]:
    """All stages of this order, including those to come."""
    way = CANCELLED_WAY if order.status == Status.CANCELLED else WAY
    reached = way.index(Status(order.status))
    return [
        Stage(status, WORDS[status].label, place <= reached, place == reached)
        for place, status in enumerate(way)
    ]
