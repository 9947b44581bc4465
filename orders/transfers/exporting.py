"""All orders as CSV."""

import csv
import io
from collections.abc import Iterator

from orders.models import Order

from .models import Transfer

COLUMNS = ["order", "customer", "product", "quantity", "unit_price", "status", "placed_at"]
BATCH = 200
# A spreadsheet takes a text that begins with one of these for a formula
# (https://owasp.org/www-community/attacks/CSV_Injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def export_rows(transfer: Transfer) -> Iterator[None]:
    """Write all present orders into the file, and yield after each batch."""
    orders = Order.objects.select_related("customer").order_by("pk")
    transfer.total = orders.count()
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    last = 0
    # Each batch is a query of its own, so no database cursor stays open.
    while batch := list(orders.filter(pk__gt=last)[:BATCH]):
        for order in batch:
            writer.writerow(
                [
                    order.pk,
                    harmless(order.customer.get_username()),
                    harmless(order.product),
                    order.quantity,
                    f"{order.unit_price:.2f}",
                    order.status,
                    order.placed_at.isoformat(),
                ]
            )
        last = batch[-1].pk
        transfer.done += len(batch)
        # More orders may have been placed since they were counted.
        transfer.total = max(transfer.total, transfer.done)
        yield
    transfer.content = text.getvalue()
    yield


def harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text
