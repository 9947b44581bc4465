"""Cursors: the last event that somebody has seen, by its position and its mark.

    41-5f2c9a    the event at position 41, if its mark is 5f2c9a
    0            before everything

The mark is what tells this event from another one that takes its position after the log went back.
A position without its mark names no event, unless it is 0.
"""

import re
from typing import NamedTuple

from django.http import HttpRequest

# PostgreSQL's bigint and integer, which positions and marks are.
LAST_POSITION = 2**63 - 1
LAST_MARK = 2**31 - 1
# ASCII only: int() would also take "1_0", " 7" and digits of other scripts.
FORM = re.compile(r"([1-9][0-9]{0,18})-([0-9a-f]{1,8})")


class InvalidCursor(Exception):
    """The client sent something that is no cursor."""


class Cursor(NamedTuple):
    """mark: None: not known, or there is no event at this position."""

    position: int
    mark: int | None

    def __str__(self) -> str:
        """As it is sent in the `id:` field."""
        return str(self.position) if self.mark is None else f"{self.position}-{self.mark:x}"

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Raises InvalidCursor."""
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
    """What a client says it has seen; None if it says nothing and wants to start from now.

    The header is what EventSource sends by itself when it reconnects; the query parameter is for
    a first connection, which can't have one. Raises InvalidCursor.
    """
    text = request.headers.get("Last-Event-ID") or request.GET.get("last_event_id")
    return Cursor.parse(text) if text else None
