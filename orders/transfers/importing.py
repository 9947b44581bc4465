"""Imports orders from a CSV file: `customer,product,quantity,unit_price`, one order a line."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext

from orders.models import Order

from .models import MOST_ERRORS, Transfer
from .problems import problems_of

COLUMNS = ["customer", "product", "quantity", "unit_price"]
# How many orders one statement and one transaction write. A line with an error is skipped.
BATCH = 100


class UnreadableFile(Exception):
    """The file can't be imported at all; the message tells its sender why."""


def read_header(content: str) -> None:
    """Raise UnreadableFile unless the first line names the columns."""
    header = next(csv.reader(io.StringIO(content, newline="")), [])
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise UnreadableFile(
            gettext("The first line has to name the columns %(columns)s; it lacks %(missing)s.")
            % {"columns": ", ".join(COLUMNS), "missing": ", ".join(missing)}
        )


def count_rows(content: str) -> int:
    """How many orders the file has. Raises UnreadableFile if it isn't CSV to its end."""
    reader = _rows(content)
    try:
        return sum(1 for _ in reader)
    except csv.Error as error:
        raise UnreadableFile(
            gettext("Line %(line)s is not CSV: %(reason)s.")
            % {"line": reader.line_num + 1, "reason": error}
        ) from error


def _rows(content: str) -> "csv.DictReader[str]":
    return csv.DictReader(io.StringIO(content, newline=""))


def import_rows(transfer: Transfer) -> Iterator[None]:
    """Place the orders of the file, and yield after each batch of them."""
    reader = _rows(transfer.content)
    customers: dict[str, Any] = {}
    batch: list[Order] = []
    errors: list[tuple[int, ValidationError]] = []
    seen = 0
    for seen, row in enumerate(reader, start=1):
        try:
            batch.append(_order_of(row, customers))
        except ValidationError as error:
            errors.append((reader.line_num, error))
        if seen % BATCH == 0:
            _place(transfer, batch, errors, seen)
            batch, errors = [], []
            yield
    _place(transfer, batch, errors, seen)
    yield


def _place(
    transfer: Transfer, batch: list[Order], errors: list[tuple[int, ValidationError]], seen: int
) -> None:
    """Place a batch and note the progress, in one transaction.

    errors: each with the number of its line. seen: the number of rows up to the end of this batch.
    """
    problems = [problem for line, error in errors for problem in problems_of(line, error)]
    values = {
        "done": seen,
        "error_count": transfer.error_count + len(errors),
        "errors": [*transfer.errors, *problems][:MOST_ERRORS],
    }
    with transaction.atomic():
        transfer.hold(**values)
        Order.objects.bulk_create(batch)
    for name, value in values.items():
        setattr(transfer, name, value)


def _order_of(row: dict[str, str], customers: dict[str, Any]) -> Order:
    """The order of one line.

    Raises ValidationError, which has the errors by column, each with a code.
    """
    name = (row.get("customer") or "").strip()
    if name not in customers:
        users = get_user_model().objects
        customers[name] = users.filter(**{users.model.USERNAME_FIELD: name}).first()
    customer = customers[name]
    if customer is None:
        problem = ValidationError("", code="no_customer", params={"value": name})
        raise ValidationError({"customer": problem})
    order = Order(
        customer=customer,
        product=(row.get("product") or "").strip(),
        quantity=(row.get("quantity") or "").strip(),
        unit_price=(row.get("unit_price") or "").strip(),
    )
    # Without validate_constraints(), which needs a query for each: the fields have the same rules.
    order.clean_fields(exclude=["customer", "status"])
    return order
