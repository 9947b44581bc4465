"""The stream of orders by name."""

from datetime import UTC, datetime

STREAM = "orders"
# The types of its events: an order was placed or moved on; an order was deleted.
ORDER_TYPE = STREAM
DELETED_TYPE = "order-deleted"


def utc_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
