"""What a developer reads in the terminal."""

import logging
import sys

import pytest
from django.db import OperationalError

from config.logs import DatabaseAway


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
