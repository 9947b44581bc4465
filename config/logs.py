"""What a developer reads in the terminal."""

import logging

from django.db import OperationalError


class DatabaseAway(logging.Filter):
    """Says in one line that a request failed because the database was away, for each that did."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, OperationalError):
            reason = next(iter(str(error).strip().splitlines()), "no reason given")
            record.msg, record.args = f"{record.getMessage()}: {reason}", ()
            record.exc_info = record.exc_text = None
        return True
