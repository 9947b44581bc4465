"""The statuses of an order, and the changes that are allowed between them."""

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from .exceptions import InvalidTransition


class Status(models.TextChoices):
    PLACED = "placed", _("Placed")
    PAID = "paid", _("Paid")
    SHIPPED = "shipped", _("Shipped")
    DELIVERED = "delivered", _("Delivered")
    CANCELLED = "cancelled", _("Cancelled")

    @property
    def next(self) -> tuple["Status", ...]:
        """The statuses that can follow; none if this one is final."""
        return NEXT[self]


NEXT = {
    Status.PLACED: (Status.PAID, Status.CANCELLED),
    Status.PAID: (Status.SHIPPED, Status.CANCELLED),
    Status.SHIPPED: (Status.DELIVERED,),
    Status.DELIVERED: (),
    Status.CANCELLED: (),
}


def check_transition(before: str | None, after: str) -> None:
    """Raise InvalidTransition unless `before` can become `after`; None: the order is new."""
    if before == after:
        return
    if before is None:
        if after != Status.PLACED:
            raise InvalidTransition(
                gettext(
                    "A new order starts as “%(first)s”, not as “%(after)s”: "
                    "place it, then move it on."
                )
                % {"first": Status.PLACED.label, "after": _label(after)}
            )
        return
    possible = Status(before).next
    if after not in possible:
        if possible:
            reason = gettext(
                "An order that is “%(before)s” can't become “%(after)s”, only %(possible)s."
            )
        else:
            reason = gettext(
                "An order that is “%(before)s” can't become “%(after)s”: that status is final."
            )
        quoted = [gettext("“%(status)s”") % {"status": status.label} for status in possible]
        raise InvalidTransition(
            reason
            % {
                "before": _label(before),
                "after": _label(after),
                "possible": " {} ".format(gettext("or")).join(quoted),
            }
        )


def _label(status: str) -> str:
    """What people call it; a status that there isn't as it was given."""
    return str(Status(status).label) if status in Status.values else status
