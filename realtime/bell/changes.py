"""What readers do to their notifications: each of it is an event, told to all their pages.

An event says what was done, to which subject (None: to all) and up to which position its page had
been told; so what arrives while somebody clicks stays unread. What follows from it is said in one
place for Python (`inbox.py`) and in one for JavaScript (`bell_state.js`), and the same cases
(`tests/bell_cases.json`) hold both together.
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
    """Publish what the user has done.

    subject: of one thread; None: of all.
    through: the position up to which the page had been told. Later notifications aren't touched.
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
    """Publish which kinds the user wants to be told of, by name; the others stay as they were."""
    _publish(user, {"action": Action.CHOOSE.value, "choices": choices})


def _publish(user: Any, data: dict[str, Any]) -> None:
    realtime.publish(to=user, type=CHANGE, data=data, stream=STREAM)
