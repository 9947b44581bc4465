"""Where an order stands, and where it can go from there."""

from django.db import models

from .exceptions import InvalidTransition


class Status(models.TextChoices):
    PLACED = "placed"
    PAID = "paid"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"

    @property
    def next(self) -> tuple["Status", ...]:
        """What can follow; nothing, if this status is final."""
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
                f"A new order starts as {Status.PLACED}, not as {after}: place it, then move it on."
            )
        return
    possible = Status(before).next
    if after not in possible:
        reason = f"only {' or '.join(possible)}" if possible else "that status is final"
        raise InvalidTransition(f"An order that is {before} can't become {after}: {reason}.")
