"""The log messages that a developer reads in the terminal."""

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import OperationalError

# The same as in orders.events, which can't be imported while the settings are read.
ORDER_TYPE = "orders"


class DatabaseAway(logging.Filter):
    """Replaces the traceback of a request that failed because the database was away by one line."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, OperationalError):
            reason = next(iter(str(error).strip().splitlines()), "no reason given")
            record.msg, record.args = f"{record.getMessage()}: {reason}", ()
            record.exc_info = record.exc_text = None
        return True


class OrderEvents(logging.Filter):
    """Adds an event's order to `realtime.delivery`, and the time from the change to the streams.

    “order 12 paid → event 930 → 3 streams, 6 ms”: the order replaces the topic.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        told = [data for event in getattr(record, "events", ()) if (data := _order_in(event.chunk))]
        if told:
            text = record.getMessage()
            if len(told) == 1:
                _, arrow, rest = text.partition(" → ")
                text = f"order {told[0]['order']} {told[0]['status']}{arrow}{rest}"
            # Of several events that come together, the one that has waited longest.
            changed_at = min(datetime.fromisoformat(data["changed_at"]) for data in told)
            waited = datetime.fromtimestamp(record.created, UTC) - changed_at
            record.msg = f"{text}, {waited / timedelta(milliseconds=1):.0f} ms"
            record.args = ()
        return True


def _order_in(chunk: bytes) -> dict[str, Any] | None:
    """An event's data about an order; None for another event."""
    lines = chunk.decode().splitlines()
    if f"event: {ORDER_TYPE}" not in lines:
        return None
    # Its data may be malformed: any role that may write to the database can insert events.
    try:
        [data] = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
        order = json.loads(data)
        datetime.fromisoformat(order["changed_at"])
    except (ValueError, TypeError, KeyError):
        return None
    return order
