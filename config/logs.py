"""What a developer reads in the terminal."""

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import OperationalError

# As orders.events has it, which can't be imported while the settings are read.
ORDER_TYPE = "orders"


class DatabaseAway(logging.Filter):
    """Says in one line that a request failed because the database was away, for each that did."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, OperationalError):
            reason = next(iter(str(error).strip().splitlines()), "no reason given")
            record.msg, record.args = f"{record.getMessage()}: {reason}", ()
            record.exc_info = record.exc_text = None
        return True


class OrderEvents(logging.Filter):
    """Says of which order an event tells, and how long after its change the streams had it.

    “order 12 paid → event 930 → 3 streams, 6 ms”, instead of the topic that `realtime.delivery`
    names.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        told = [data for event in getattr(record, "events", ()) if (data := _order_in(event.chunk))]
        if told:
            text = record.getMessage()
            if len(told) == 1:
                _, arrow, rest = text.partition(" → ")
                text = f"order {told[0]['order']} {told[0]['status']}{arrow}{rest}"
            # Of many that come together, the one that has waited longest.
            changed_at = min(datetime.fromisoformat(data["changed_at"]) for data in told)
            waited = datetime.fromtimestamp(record.created, UTC) - changed_at
            record.msg = f"{text}, {waited / timedelta(milliseconds=1):.0f} ms"
            record.args = ()
        return True


def _order_in(chunk: bytes) -> dict[str, Any] | None:
    """What an event says of an order; nothing, if it is another one."""
    lines = chunk.decode().splitlines()
    if f"event: {ORDER_TYPE}" not in lines:
        return None
    # Anybody who may write to the database may have written it.
    try:
        [data] = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
        order = json.loads(data)
        datetime.fromisoformat(order["changed_at"])
    except (ValueError, TypeError, KeyError):
        return None
    return order
