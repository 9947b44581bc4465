"""What a customer reads: the events of their orders, put into words."""

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

import realtime
from realtime.models import Event

from .events import ORDER_TYPE, STREAM, utc_text
from .models import Bell
from .status import Status


class Words(NamedTuple):
    label: str | Promise
    sentence: str | Promise


WORDS = {
    Status.PLACED: Words(_("Placed"), _("We have your order. Thank you!")),
    Status.PAID: Words(_("Paid"), _("Your payment is here. We are packing.")),
    Status.SHIPPED: Words(_("Shipped"), _("It has left us and is on its way to you.")),
    Status.DELIVERED: Words(_("Delivered"), _("It has arrived. Enjoy!")),
    Status.CANCELLED: Words(_("Cancelled"), _("This order will not be sent.")),
}
# A page stays open through a deploy, so its script may meet a status that it was never told of.
WORDS_FOR_ANY_STATUS = Words(_("Changed"), _("There is news about this order."))


class OfStatus:
    """What is shown of an order that has come to a status."""

    status: str
    changed_at: str  # as events have it; empty where it is filled in later

    @property
    def look(self) -> str:
        """Names the icon and the colours."""
        return self.status if self.status in WORDS else "changed"

    @property
    def label(self) -> str | Promise:
        return WORDS.get(self.status, WORDS_FOR_ANY_STATUS).label

    @property
    def sentence(self) -> str | Promise:
        return WORDS.get(self.status, WORDS_FOR_ANY_STATUS).sentence

    @property
    def changed_at_time(self) -> datetime | None:
        return datetime.fromisoformat(self.changed_at) if self.changed_at else None


@dataclass(frozen=True)
class Notification(OfStatus):
    """One event of an order, as templates/orders/notification.html shows it.

    Without its data it is the form that the script fills in for an event of that status.
    """

    status: str
    position: int = 0
    state: str = Bell.State.NEW
    order: int = 0
    product: str = ""
    quantity: int | str = ""
    total: Decimal | str = ""
    changed_at: str = ""

    @classmethod
    def from_event(cls, event: Event, bell: Bell) -> "Notification":
        data: dict[str, Any] = json.loads(event.data)
        return cls(
            status=data["status"],
            position=event.position,
            state=bell.state_of(event.position),
            order=data["order"],
            product=data["product"],
            quantity=data["quantity"],
            total=Decimal(data["total"]),
            # Events written before this was told of have the time of their transaction.
            changed_at=data.get("changed_at") or utc_text(event.created_at),
        )


BLANKS = [Notification(status) for status in (*WORDS, "")]


def order_events(user: AbstractBaseUser) -> QuerySet[Event]:
    """The events of the user's own orders, as far as the log keeps them."""
    return Event.objects.filter(stream=STREAM, topic=realtime.topic_of(user), type=ORDER_TYPE)
