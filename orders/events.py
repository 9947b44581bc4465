"""What the shop publishes, by name: in the site's one stream, beside what the bell tells."""

from datetime import UTC, datetime

STREAM = "default"
# An order was placed or moved on; an order was deleted; an import or export has come further.
ORDER_TYPE = "orders"
DELETED_TYPE = "order-deleted"
TRANSFER_TYPE = "transfer"
# Of whomever these are, the staff are told of them.
SHOP_TYPES = (ORDER_TYPE, DELETED_TYPE, TRANSFER_TYPE)


def utc_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
