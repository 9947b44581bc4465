"""A user's bell: what it shows at one moment, and what they have seen and read of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser
from django.db import router, transaction
from django.http import HttpRequest

import realtime

from .events import STREAM, bell_event, publish_bell
from .models import Bell
from .notifications import BLANKS, Notification, order_events

KEPT = 20
MOST_COUNTED = 99


@dataclass(frozen=True)
class BellSnapshot:
    """A user's bell at one moment: all that the stream says after `cursor` is yet to come."""

    cursor: realtime.Cursor
    state: Bell
    new_positions: list[int]  # above what was seen, ascending; no more than one above MOST_COUNTED
    notifications: list[Notification]  # the newest first

    kept = KEPT
    most_counted = MOST_COUNTED
    blanks = BLANKS

    @property
    def new_count(self) -> int:
        """How many are new; one above MOST_COUNTED stands for any number above it."""
        # Of a full list those read one by one are not taken off: how many more there are is not
        # known here, nor in a page that has lived through the same events.
        if len(self.new_positions) > MOST_COUNTED:
            return MOST_COUNTED + 1
        states = [self.state.state_of(position) for position in self.new_positions]
        return states.count(Bell.State.NEW)

    @property
    def new_count_text(self) -> str:
        return f"{MOST_COUNTED}+" if self.new_count > MOST_COUNTED else str(self.new_count)


def bell_snapshot(user: AbstractBaseUser) -> BellSnapshot:
    """The user's bell, with the cursor from which the stream goes on without a gap or a repeat."""
    # The cursor is read first, and no event above it after that. No transaction is needed to make
    # this a snapshot: an event never appears late at or below a position already given out. What
    # was seen and read may be newer than the cursor; it comes again, and then changes nothing.
    cursor = realtime.current_cursor(STREAM)
    events = order_events(user).filter(position__lte=cursor.position).order_by("-position")
    state = Bell.objects.filter(user=user).first() or Bell(user=user)
    new = events.filter(position__gt=state.seen_position).values_list("position", flat=True)
    return BellSnapshot(
        cursor=cursor,
        state=state,
        new_positions=sorted(new[: MOST_COUNTED + 1]),
        notifications=[Notification.from_event(event, state) for event in events[:KEPT]],
    )


def bell_of(request: HttpRequest) -> BellSnapshot:
    """The bell of whoever is signed in; the same one wherever the page that is made shows it."""
    if not hasattr(request, "_bell"):
        request._bell = bell_snapshot(request.user)
    return request._bell


def mark_seen(user: AbstractBaseUser, position: int) -> None:
    """Remember that the user has seen all their notifications up to this position."""
    newest = newest_position(user, position)
    with _changing_bell_of(user) as bell:
        bell.see(newest)


def mark_read(user: AbstractBaseUser, position: int) -> None:
    """Remember that the user has read the one notification at this position."""
    if order_events(user).filter(position=position).exists():
        with _changing_bell_of(user) as bell:
            bell.read(position)


def mark_all_read(user: AbstractBaseUser, position: int) -> None:
    """Remember that the user is through with all their notifications up to this position."""
    newest = newest_position(user, position)
    with _changing_bell_of(user) as bell:
        bell.see(newest)
        bell.read_all(newest)


def newest_position(user: AbstractBaseUser, through: int) -> int:
    """Where the user's newest notification at or below a position stands; 0 if there is none.

    What a page was told of is counted by this, not by the position up to which it was told: that
    one moves with everybody's orders, and nobody's bell has to hear of it.
    """
    events = order_events(user).filter(position__lte=through).order_by("-position")
    return events.values_list("position", flat=True).first() or 0


@contextmanager
def _changing_bell_of(user: AbstractBaseUser) -> Iterator[Bell]:
    """The user's bell, locked. If it is another one afterwards, it is saved and published."""
    using = router.db_for_write(Bell)
    with transaction.atomic(using=using):
        # The lock comes before the event: two changes at once are published in the order in which
        # they were made, and the second contains the first.
        bells = Bell.objects.using(using).select_for_update()
        bell, _ = bells.get_or_create(user=user)
        before = bell_event(bell)
        yield bell
        if bell_event(bell) != before:
            bell.save(using=using)
            publish_bell(bell, using)
