"""The name of each status, and a sentence that explains it to the customer."""

from datetime import datetime
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

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
# The colours of a status, by the names that the bell has for them.
TONES = {
    Status.PLACED: "blue",
    Status.PAID: "violet",
    Status.SHIPPED: "amber",
    Status.DELIVERED: "green",
    Status.CANCELLED: "red",
}
# A page stays open during a deployment, so its script may meet a status that it doesn't know.
WORDS_FOR_ANY_STATUS = Words(_("Changed"), _("There is news about this order."))


def _words_for(status: str) -> Words:
    return WORDS[Status(status)] if status in WORDS else WORDS_FOR_ANY_STATUS


class OfStatus:
    """The presentation of a status that an order has got."""

    status: str
    changed_at: str  # in the format of events; empty in a blank that the script fills in

    @property
    def look(self) -> str:
        """Names the icon and the colours."""
        return self.status if self.status in WORDS else "changed"

    @property
    def label(self) -> str | Promise:
        return _words_for(self.status).label

    @property
    def sentence(self) -> str | Promise:
        return _words_for(self.status).sentence

    @property
    def changed_at_time(self) -> datetime | None:
        return datetime.fromisoformat(self.changed_at) if self.changed_at else None
