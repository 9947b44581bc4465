"""The history of an order."""

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import realtime
from realtime.models import Event

from .events import ORDER_TYPE, STREAM
from .models import Order
from .status import Status
from .wording import TONES, WORDS, Words


@dataclass(frozen=True)
class Step:
    """A status that the order has, or has had."""

    status: Status
    changed_at: datetime | None  # None: from before that was noted

    @property
    def words(self) -> Words:
        return WORDS[self.status]

    @property
    def tone(self) -> str:
        return TONES[self.status]


def timeline(order: Order) -> list[Step]:
    """The statuses that this order has had, oldest first.

    The order itself has the first and the last one. The log has those in between, as long as it
    keeps their events.
    """
    times: dict[str, datetime | None] = {Status.PLACED: order.placed_at}
    times |= _times_in_log(order)
    if order.status != Status.PLACED:
        times.setdefault(order.status, order.status_changed_at)
    # An order never gets a status twice, and the statuses are defined in the order in which it can.
    return [Step(status, times[status]) for status in Status if status in times]


def _times_in_log(order: Order) -> dict[str, datetime]:
    # The index finds the customer's events; those of this order are filtered from them.
    events = Event.objects.filter(
        stream=STREAM,
        topic=realtime.topic_of(order.customer),
        type=ORDER_TYPE,
        data__contains=str(order.pk),
    )
    times = {}
    for data, created_at in events.order_by("position").values_list("data", "created_at"):
        # Its data may be malformed: any role that may write to the database can insert events.
        with suppress(ValueError, TypeError, KeyError):
            event = json.loads(data or "")
            if event["order"] == order.pk:
                said = event.get("changed_at")
                times[event["status"]] = datetime.fromisoformat(said) if said else created_at
    return times
