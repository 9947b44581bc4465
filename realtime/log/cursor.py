"""Cursors: the position and the mark of the last event that a client has seen.

    41-5f2c9a    the event at position 41, if its mark is 5f2c9a
    0            before everything

After the log went back, another event may take the same position: it has another mark. A position
without a mark names no event, except 0.
"""

import re
from typing import NamedTuple

from django.http import HttpRequest

# Positions are PostgreSQL's bigint, marks its integer.
LAST_POSITION = 2**63 - 1
LAST_MARK = 2**31 - 1
# ASCII only: int() would also take "1_0", " 7" and digits of other scripts.
FORM = re.compile(r"([1-9][0-9]{0,18})-([0-9a-f]{1,8})")


class InvalidCursor(Exception):
    """The client sent something that is no cursor."""


class Cursor(NamedTuple):
    """mark: None: it isn't known, or there is no event at this position."""

    position: int
    mark: int | None

    def __str__(self) -> str:
        """The text of the `id:` field."""
        return str(self.position) if self.mark is None else f"{self.position}-{self.mark:x}"

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """The cursor that a text stands for. Raises InvalidCursor."""
        if text == "0":
            return START
        match = FORM.fullmatch(text)
        if match is None:
            raise InvalidCursor(text)
        cursor = cls(int(match[1]), int(match[2], 16))
        if cursor.position > LAST_POSITION or cursor.mark is None or cursor.mark > LAST_MARK:
            raise InvalidCursor(text)
        return cursor


START = Cursor(0, None)


def requested_cursor(request: HttpRequest) -> Cursor | None:
    """The cursor that a client sent; None: it sent none, and starts with the next event.

    EventSource sends the header by itself when it reconnects. The query parameter is for a first
    connection, on which EventSource can't set headers. Raises InvalidCursor.
    """
    text = request.headers.get("Last-Event-ID") or request.GET.get("last_event_id")
    return Cursor.parse(text) if text else None
