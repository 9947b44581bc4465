"""The cursor a client comes with: the position of the last event it has seen."""

import re

from django.http import HttpRequest

# PostgreSQL's bigint, which positions are.
LAST_POSITION = 2**63 - 1


class InvalidCursor(Exception):
    """The client sent something that is no position."""


def requested_cursor(request: HttpRequest) -> int | None:
    """What a client says it has seen; None if it says nothing and wants to start from now.

    The header is what EventSource sends by itself when it reconnects; the query parameter is for
    a first connection, which can't have one. Raises InvalidCursor.
    """
    text = request.headers.get("Last-Event-ID") or request.GET.get("last_event_id")
    if not text:
        return None
    # ASCII digits only: int() would also take "1_0", " 7" and digits of other scripts.
    if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) > LAST_POSITION:
        raise InvalidCursor(text)
    return int(text)
