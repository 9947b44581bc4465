"""What readers do to their notifications: each change is an event, which all their pages receive.

The event has the action, the subject (None: all), and the position up to which its page had been
told: a notification that arrives during a click stays unread. `inbox.py` has the rules in Python
    and
`bell_state.js` in JavaScript; the same cases (`tests/bell_cases.json`) test that they agree.
"""

from enum import StrEnum
from typing import Any

import realtime

from .models import Thread
from .notifying import CHANGE, STREAM


class Action(StrEnum):
    SEE = "see"
    READ = "read"
    UNREAD = "unread"
    ARCHIVE = "archive"
    UNARCHIVE = "unarchive"
    CHOOSE = "choose"


ONE_SUBJECT_ONLY = (Action.UNREAD, Action.UNARCHIVE)


def change(user: Any, action: Action, *, subject: str | None = None, through: int = 0) -> None:
    """Publish a user's change.

    subject: the subject of one thread; None: all threads.
    through: the position up to which the page had been told. Later notifications don't change.
    """
    data: dict[str, Any] = {"action": action.value}
    if action in ONE_SUBJECT_ONLY:
        thread = Thread.objects.filter(user=user, subject=subject).first()
        if thread is None:
            return
        data |= {"subject": subject, "last": thread.position}
        if action is Action.UNARCHIVE:
            data["read"] = thread.read_before_archived
    elif action is Action.SEE:
        data["through"] = through
    else:
        data |= {"subject": subject, "through": through}
    _publish(user, data)


def choose(user: Any, choices: dict[str, bool]) -> None:
    """Publish which kinds the user wants to be told of, by name; other kinds stay as they are."""
    _publish(user, {"action": Action.CHOOSE.value, "choices": choices})


def _publish(user: Any, data: dict[str, Any]) -> None:
    realtime.publish(to=user, type=CHANGE, data=data, stream=STREAM)
