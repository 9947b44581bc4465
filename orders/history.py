"""All notifications of a user, as far back as the log goes, a page at a time."""

from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser

from realtime.models import Stream

from .events import STREAM
from .models import Bell
from .notifications import Notification, order_events

PAGE = 25


@dataclass(frozen=True)
class HistoryPage:
    """One page of a user's notifications."""

    notifications: list[Notification]  # the newest first
    older_before: int | None  # what comes next lies below this position; None: nothing comes
    is_pruned: bool  # the log doesn't go back to its first event


def history_page(user: AbstractBaseUser, bell: Bell, before: int | None) -> HistoryPage:
    """The newest notifications below a position; None: the newest of all.

    bell: what the user has seen and read.
    """
    # By position, not by OFFSET: a page far back costs what the first one costs, and nothing
    # moves from page to page when another order is placed meanwhile.
    events = order_events(user).order_by("-position")
    if before is not None:
        events = events.filter(position__lt=before)
    found = [Notification.from_event(event, bell) for event in events[: PAGE + 1]]
    shown = found[:PAGE]
    return HistoryPage(
        notifications=shown,
        older_before=shown[-1].position if len(found) > PAGE else None,
        is_pruned=Stream.objects.filter(pk=STREAM, pruned_through__gt=0).exists(),
    )
