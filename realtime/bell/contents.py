"""The contents of a bell's events, validated: any role that may write to the table can insert them.

An event that `notify()`, `forget()` and `change()` would not write is left out and logged.
Otherwise its user's pages would fail for ever.
"""

import json
import logging
from typing import Any

from realtime.models import Event

from .changes import Action
from .notifying import FORGOTTEN, LONGEST_TITLE, LONGEST_URL, NOTIFICATION

logger = logging.getLogger("realtime.bell")

HIGHEST_POSITION = 2**63 - 1
# The longest text of each of these fields: the length of its column.
LONGEST = {"kind": 100, "subject": 200, "title": LONGEST_TITLE, "url": LONGEST_URL}
NUMBERS = {
    Action.SEE: ["through"],
    Action.READ: ["through"],
    Action.ARCHIVE: ["through"],
    Action.UNREAD: ["last"],
    Action.UNARCHIVE: ["last", "read"],
    Action.CHOOSE: [],
}


def contents(event: Event) -> dict[str, Any] | None:
    """The contents of an event; None: they don't have the form of the event's type."""
    try:
        data = json.loads(event.data or "")
        # JSON can contain the character NUL, but no column of PostgreSQL can.
        if "\\u0000" not in (event.data or "") and _is_well_formed(event.type, data):
            return dict(data)
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    logger.error(
        "Left out of the bell of %s: the event at position %d of the stream %r says nothing that "
        "a %s says.",
        event.topic,
        event.position,
        event.stream,
        event.type,
    )
    return None


def _is_well_formed(type: str, data: Any) -> bool:
    """Whether the data has its type's form. May raise ValueError, TypeError or KeyError if not."""
    if type == NOTIFICATION:
        return _are_texts(data, "kind", "subject", "title", "url") and isinstance(
            data["context"], dict
        )
    if type == FORGOTTEN:
        return _are_texts(data, "subject")
    action = Action(data["action"])
    if action is Action.CHOOSE:
        return isinstance(data["choices"], dict)
    if action is not Action.SEE and data["subject"] is not None and not _are_texts(data, "subject"):
        return False
    return all(_is_position(data[name]) for name in NUMBERS[action])


def _are_texts(data: Any, *names: str) -> bool:
    return all(isinstance(data[name], str) and len(data[name]) <= LONGEST[name] for name in names)


def _is_position(number: Any) -> bool:
    return isinstance(number, int) and abs(number) <= HIGHEST_POSITION
