"""The types of the shop's events. They share the site's one stream with the bell's events."""

from datetime import UTC, datetime

STREAM = "default"
# An order was placed or moved on; an order was deleted; an import or export has progressed.
ORDER_TYPE = "orders"
DELETED_TYPE = "order-deleted"
TRANSFER_TYPE = "transfer"
# The staff may follow these types for all users.
SHOP_TYPES = (ORDER_TYPE, DELETED_TYPE, TRANSFER_TYPE)


def utc_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
