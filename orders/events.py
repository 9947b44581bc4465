"""The stream of orders by name, and what it tells of a user's bell."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model

import realtime

if TYPE_CHECKING:
    from .models import Bell

STREAM = "orders"
# The types of its events: an order was placed or moved on; an order was deleted; a bell was looked
# at.
ORDER_TYPE = STREAM
DELETED_TYPE = "order-deleted"
BELL_TYPE = "bell"


def bell_event(bell: "Bell") -> dict[str, Any]:
    """The data of an event: all that its user has seen and read, not only what is new of it."""
    return {
        "seen_position": bell.seen_position,
        "read_position": bell.read_position,
        "read_positions": bell.read_positions,
    }


def publish_bell(bell: "Bell", using: str) -> None:
    """Publish what the user of this saved bell has seen and read, to all their pages."""
    realtime.publish(
        to=realtime.Topic(get_user_model()._meta.label_lower, bell.user_id),
        type=BELL_TYPE,
        data=bell_event(bell),
        stream=STREAM,
        using=using,
    )


def utc_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
