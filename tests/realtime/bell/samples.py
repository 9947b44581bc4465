"""Notifications to begin with, numbered at once."""

from typing import Any

from django.db import connection

import realtime
from realtime.bell import notify
from realtime.bell.changes import Action, change
from realtime.bell.snapshot import BellSnapshot, bell_snapshot


def subject(text: str) -> realtime.Topic:
    kind, _colon, key = text.partition(":")
    return realtime.Topic(kind, key)


def number_waiting() -> None:
    """Give all events that wait their positions: what a process that listens does by itself."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM realtime_number_events('default', 10000, 10001, NULL)")


def tell(user: Any, of: str, kind: str = "cases.news", **values: Any) -> None:
    """Notify a user of a subject, such as “a:1”."""
    notify(user, kind, subject(of), **{"title": of.upper(), "url": f"/{of}/", **values})
    number_waiting()


def tell_all(user: Any, *subjects: str) -> None:
    for one in subjects:
        tell(user, one)


def act(user: Any, action: str, of: str | None = None, through: int | None = None) -> BellSnapshot:
    """What the user does on a page of now, or of a position; the bell afterwards."""
    if through is None:
        through = bell_snapshot(user).cursor.position
    change(user, Action(action), subject=of, through=through)
    number_waiting()
    return bell_snapshot(user)


def states(snapshot: BellSnapshot) -> dict[str, str]:
    """What each thread of the panel is, by its subject, the newest first."""
    return {row.thread.subject: row.state.value for row in snapshot.rows}
