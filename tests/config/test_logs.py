"""What a developer reads in the terminal."""

import json
import logging
import re
import sys
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError

from config.logs import ORDER_TYPE, DatabaseAway, OrderEvents
from orders import events
from realtime.hub.recent_events import RecentEvents
from realtime.log import wire
from realtime.log.cursor import Cursor
from realtime.log.event_log import RecentEvent


def logged(error: Exception) -> str:
    """What is printed of a request that raised this."""
    try:
        raise error
    except type(error):
        record = logging.LogRecord(
            "django.request",
            logging.ERROR,
            "",
            0,
            "Internal Server Error: %s",
            ("/",),
            sys.exc_info(),
        )
    assert DatabaseAway().filter(record)
    return logging.Formatter("{message}", style="{").format(record)


def test_a_database_that_is_away_is_one_line():
    error = OperationalError("connection failed: Connection refused\n\tIs the server running?")
    assert logged(error) == "Internal Server Error: /: connection failed: Connection refused"


@pytest.mark.parametrize("error", [ValueError("a mistake"), RuntimeError()], ids=repr)
def test_any_other_error_is_shown_with_all_its_calls(error):
    assert "Traceback" in logged(error)


def at(position: int) -> Cursor:
    return Cursor(position, 0x2A)


def told_of(caplog, *given: tuple[str, str]) -> str:
    """The line about events of these types and data, for which nobody waits."""
    recent = RecentEvents(Cursor(929, 7), keep_events=10, keep_bytes=10_000)
    logger = logging.getLogger("realtime.delivery")
    order_events = OrderEvents()
    logger.addFilter(order_events)
    try:
        with caplog.at_level(logging.DEBUG, "realtime.delivery"):
            recent.append(
                RecentEvent(
                    at(930 + number), "auth.user:3", wire.event(at(930 + number), type, data)
                )
                for number, (type, data) in enumerate(given)
            )
    finally:
        logger.removeFilter(order_events)
    [record] = caplog.records
    return record.getMessage()


def order_event(order: int) -> tuple[str, str]:
    changed_at = (datetime.now(UTC) - timedelta(milliseconds=40)).isoformat()
    data = {"order": order, "status": "paid", "changed_at": changed_at}
    return events.ORDER_TYPE, json.dumps(data)


def test_an_order_is_one_line_with_its_event_its_streams_and_its_milliseconds(caplog):
    line = told_of(caplog, order_event(12))
    found = re.fullmatch("order 12 paid → event 930 → 0 streams, ([0-9]+) ms", line)
    assert found, line
    assert 40 <= int(found[1]) < 1_000


def test_orders_that_come_together_are_one_line(caplog):
    line = told_of(caplog, order_event(12), order_event(13))
    assert re.fullmatch("2 events → events 930 to 931 → 0 streams, [0-9]+ ms", line), line


def test_any_other_event_is_told_of_by_its_topic(caplog):
    assert told_of(caplog, ("bell", "{}")) == "auth.user:3 → event 930 → 0 streams"


def test_the_type_of_orders_is_that_of_the_shop():
    assert ORDER_TYPE == events.ORDER_TYPE
