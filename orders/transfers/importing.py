"""Orders out of a CSV file: `customer,product,quantity,unit_price`, one order a line."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from orders.models import Order

from .models import MOST_ERRORS, Transfer

COLUMNS = ["customer", "product", "quantity", "unit_price"]
# Orders of one statement and one transaction: what comes after a line with an error stands.
BATCH = 100


class UnreadableFile(Exception):
    """The file can't be imported at all; the message says why, for whoever has sent it."""


def read_header(content: str) -> None:
    """Raise UnreadableFile unless the first line names the columns."""
    header = next(csv.reader(io.StringIO(content)), [])
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise UnreadableFile(
            gettext("The first line has to name the columns %(columns)s; it lacks %(missing)s.")
            % {"columns": ", ".join(COLUMNS), "missing": ", ".join(missing)}
        )


def count_rows(content: str) -> int:
    return sum(1 for _ in csv.DictReader(io.StringIO(content)))


def import_rows(transfer: Transfer) -> Iterator[None]:
    """Place the orders of the file, and yield after each batch of them."""
    reader = csv.DictReader(io.StringIO(transfer.content))
    customers: dict[str, Any] = {}
    batch: list[Order] = []
    seen = 0
    for row in reader:
        seen += 1
        try:
            batch.append(_order_of(row, customers))
        except ValidationError as error:
            transfer.error_count += 1
            if len(transfer.errors) < MOST_ERRORS:
                transfer.errors.append([reader.line_num, " ".join(error.messages)])
        if seen % BATCH == 0:
            _place(transfer, batch, seen)
            yield
    _place(transfer, batch, seen)
    yield


def _place(transfer: Transfer, batch: list[Order], seen: int) -> None:
    Order.objects.bulk_create(batch)
    batch.clear()
    transfer.done = seen


def _order_of(row: dict[str, str], customers: dict[str, Any]) -> Order:
    """The order of one line. Raises ValidationError, in words for whoever has to mend the file."""
    name = (row.get("customer") or "").strip()
    if name not in customers:
        users = get_user_model().objects
        customers[name] = users.filter(**{users.model.USERNAME_FIELD: name}).first()
    customer = customers[name]
    if customer is None:
        raise ValidationError(gettext("There is no customer “%(name)s”.") % {"name": name})
    order = Order(
        customer=customer,
        product=(row.get("product") or "").strip(),
        quantity=(row.get("quantity") or "").strip(),
        unit_price=(row.get("unit_price") or "").strip(),
    )
    # Without validate_constraints(), which asks the database for each: the fields say the same.
    order.clean_fields(exclude=["customer", "status"])
    return order
