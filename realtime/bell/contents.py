"""What the events of a bell hold, read with care: anybody who may write to the table wrote them.

One that isn't what `notify()`, `forget()` and `change()` write is left out, with a word in the log:
else its user's pages would fail for ever.
"""

import json
import logging
from typing import Any

from realtime.models import Event

from .changes import Action
from .notifying import FORGOTTEN, LONGEST_TITLE, LONGEST_URL, NOTIFICATION

logger = logging.getLogger("realtime.bell")

HIGHEST_POSITION = 2**63 - 1
# The longest text that may stand in each of these, as long as its column.
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
    """What an event says, in the form that its type has; None: it has another one."""
    try:
        data = json.loads(event.data or "")
        # No column takes the character NUL, which JSON can spell.
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
    """Raises ValueError, TypeError or KeyError, too, if it isn't."""
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
