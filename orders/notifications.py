"""What a customer reads in the bell: the events of the log, put into words."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib.auth.models import AbstractBaseUser

from realtime.models import Event, Stream
from realtime.publishing import recipient_key

from .events import STREAM
from .models import Bell
from .status import Status

KEPT = 20
MOST_COUNTED = 99


class Words(NamedTuple):
    label: str
    sentence: str


WORDS = {
    Status.PLACED: Words("Placed", "We have your order. Thank you!"),
    Status.PAID: Words("Paid", "Your payment is here. We are packing."),
    Status.SHIPPED: Words("Shipped", "It has left us and is on its way to you."),
    Status.DELIVERED: Words("Delivered", "It has arrived. Enjoy!"),
    Status.CANCELLED: Words("Cancelled", "This order will not be sent."),
}
# A page stays open through a deploy, so its script may meet a status that it was never told of.
WORDS_FOR_ANY_STATUS = Words("Changed", "There is news about this order.")


@dataclass(frozen=True)
class Notification:
    """One event of an order, as templates/orders/notification.html shows it.

    Without its data it is the form that the script fills in for an event of that status.
    """

    status: str
    position: int | str = ""
    is_new: bool = False
    order: int | str = ""
    product: str = ""
    quantity: int | str = ""
    total: str = ""
    placed_at: str = ""

    @classmethod
    def from_event(cls, event: Event, *, seen_position: int) -> "Notification":
        data: dict[str, Any] = json.loads(event.data)
        return cls(
            status=data["status"],
            position=event.position,
            is_new=event.position > seen_position,
            order=data["order"],
            product=data["product"],
            quantity=data["quantity"],
            total=data["total"],
            placed_at=data["placed_at"],
        )

    @property
    def look(self) -> str:
        """Names the icon and the colours."""
        return self.status if self.status in WORDS else "changed"

    @property
    def label(self) -> str:
        return WORDS.get(self.status, WORDS_FOR_ANY_STATUS).label

    @property
    def sentence(self) -> str:
        return WORDS.get(self.status, WORDS_FOR_ANY_STATUS).sentence

    @property
    def placed_at_time(self) -> datetime | None:
        return datetime.fromisoformat(self.placed_at) if self.placed_at else None


@dataclass(frozen=True)
class BellSnapshot:
    """A user's bell at one moment: all that the stream says after `cursor` is yet to come."""

    cursor: int
    new_count: int  # of those up to the cursor; counted no further than one above MOST_COUNTED
    notifications: list[Notification]  # the newest first

    kept = KEPT
    most_counted = MOST_COUNTED
    blanks = [Notification(status) for status in (*WORDS, "")]

    @property
    def new_count_text(self) -> str:
        return f"{MOST_COUNTED}+" if self.new_count > MOST_COUNTED else str(self.new_count)


def bell_snapshot(user: AbstractBaseUser) -> BellSnapshot:
    """The user's bell, with the cursor from which the stream goes on without a gap or a repeat."""
    # The cursor is read first, and nothing above it after that. No transaction is needed to make
    # this a snapshot: an event never appears late at or below a position already given out.
    cursor = stream_position()
    events = Event.objects.filter(
        stream=STREAM, recipient=recipient_key(user), position__lte=cursor
    ).order_by("-position")
    seen = Bell.objects.filter(user=user).values_list("seen_position", flat=True).first() or 0
    return BellSnapshot(
        cursor=cursor,
        new_count=events.filter(position__gt=seen)[: MOST_COUNTED + 1].count(),
        notifications=[
            Notification.from_event(event, seen_position=seen) for event in events[:KEPT]
        ],
    )


def mark_seen(user: AbstractBaseUser, position: int) -> None:
    """Remember that the user has seen everything up to this position of the stream."""
    # No further than the stream has come: what is yet to be published has not been seen.
    position = min(position, stream_position())
    Bell.objects.get_or_create(user=user)
    # Compared in the same statement that writes: a tab that is behind can't undo another's.
    Bell.objects.filter(user=user, seen_position__lt=position).update(seen_position=position)


def stream_position() -> int:
    """The last position given out in the stream of orders; 0 if it has had no event yet."""
    return Stream.objects.filter(pk=STREAM).values_list("position", flat=True).first() or 0
