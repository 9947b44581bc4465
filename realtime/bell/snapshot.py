"""A user's bell at one moment, for a page that shows it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import F, Q, QuerySet, Window
from django.db.models.functions import RowNumber
from django.http import HttpRequest
from django.utils import timezone

import realtime

from .inbox import bring_up_to_date
from .kinds import Kind, all_kinds
from .models import Bell, Notification, Thread
from .notifying import STREAM

# How many threads the panel shows, and a page of the inbox.
KEPT = 20
PAGE = 25
MOST_COUNTED = 99
# How many earlier notifications a row shows below the newest.
STORY = 8


@dataclass(frozen=True)
class Row:
    """A thread as a row shows it."""

    thread: Thread
    state: Thread.State
    newest: Notification
    earlier: list[Notification]  # the newest first, no more than STORY
    has_more: bool  # whether there are earlier ones than those

    @property
    def kind(self) -> Kind:
        return self.newest.look

    @property
    def earlier_count(self) -> int:
        return len(self.earlier) + self.has_more

    @property
    def earlier_text(self) -> str:
        return f"{len(self.earlier)}+" if self.has_more else str(len(self.earlier))

    @property
    def day(self) -> date:
        return timezone.localdate(self.thread.changed_at)


@dataclass(frozen=True)
class BellSnapshot:
    """A user's bell at one moment: the stream goes on after `cursor`."""

    cursor: realtime.Cursor
    bell: Bell
    unread: list[tuple[str, int]]  # subject and position; newest first, up to MOST_COUNTED + 1
    rows: list[Row]  # of the panel, the newest first

    most_counted = MOST_COUNTED

    @property
    def unread_count(self) -> int:
        """How many threads are unread; one above MOST_COUNTED stands for any number above it."""
        return len(self.unread)

    @property
    def new_count(self) -> int:
        """How many unread threads came after the user last looked; counted like the unread ones."""
        return sum(position > self.bell.seen_position for _, position in self.unread)

    @property
    def unread_text(self) -> str:
        return f"{MOST_COUNTED}+" if self.unread_count > MOST_COUNTED else str(self.unread_count)

    @property
    def through(self) -> str:
        """The cursor's position, as forms send it."""
        return str(self.cursor.position)

    @property
    def muted(self) -> list[str]:
        """The names of the kinds that this user doesn't want to be told of."""
        return [kind.name for kind in all_kinds() if not self.bell.wants(kind)]


def bell_snapshot(user: Any) -> BellSnapshot:
    """The user's bell, with the cursor from which the stream goes on without a gap or a repeat."""
    # The cursor comes first. The tables may know later events; the stream sends them again, and
    # then they change nothing.
    cursor = realtime.current_cursor(STREAM)
    bell = bring_up_to_date(user, cursor.position)
    threads = Thread.objects.filter(user=user)
    unread = threads.unread().order_by("-position").values_list("subject", "position")
    return BellSnapshot(
        cursor=cursor,
        bell=bell,
        unread=list(unread[: MOST_COUNTED + 1]),
        rows=rows_of(threads.inbox().order_by("-position")[:KEPT], bell),
    )


def bell_of(request: HttpRequest) -> BellSnapshot:
    """The bell of the signed-in user; one snapshot for all places of a page that show it."""
    if not hasattr(request, "_bell"):
        request._bell = bell_snapshot(request.user)  # type: ignore[attr-defined]  # kept there
    snapshot: BellSnapshot = request._bell  # type: ignore[attr-defined]  # kept there
    return snapshot


def rows_of(threads: Iterable[Thread], bell: Bell) -> list[Row]:
    """Threads with their earlier notifications, in two queries."""
    threads = list(threads)
    stories: dict[int, list[Notification]] = {}
    ranked = Notification.objects.filter(thread__in=threads).annotate(
        rank=Window(RowNumber(), partition_by="thread_id", order_by=F("position").desc())
    )
    # One more than is shown, to know whether there are more.
    for story in ranked.filter(rank__lte=STORY + 2).order_by("-position"):
        stories.setdefault(story.thread_id, []).append(story)
    return [
        Row(
            thread=thread,
            state=thread.state_for(bell),
            newest=told[0],
            earlier=told[1 : STORY + 1],
            has_more=len(told) > STORY + 1,
        )
        for thread in threads
        if (told := stories.get(thread.pk))
    ]


@dataclass(frozen=True)
class InboxPage:
    """One page of a user's threads."""

    rows: list[Row]  # the newest first
    older_before: int | None  # the next page has threads below this position; None: the last page


def inbox_page(
    bell: Bell, *, show: str = "all", query: str = "", before: int | None = None
) -> InboxPage:
    """The newest threads below a position; None: the newest of all.

    show: "all" or "unread" threads of the inbox, or "archived" ones.
    query: words; each has to occur in the title or in the label of a notification.
    """
    threads = Thread.objects.filter(user=bell.user)
    threads = {"all": threads.inbox, "unread": threads.unread, "archived": threads.archived}[show]()
    for word in query.split():
        threads = threads.filter(_matches(word))
    if before is not None:
        # By position, not by OFFSET: a page far back costs no more than the first one.
        threads = threads.filter(position__lt=before)
    found: QuerySet[Thread] = threads.order_by("-position")[: PAGE + 1]
    rows = rows_of(found, bell)
    return InboxPage(
        rows=rows[:PAGE],
        older_before=rows[PAGE - 1].thread.position if len(rows) > PAGE else None,
    )


def _matches(word: str) -> Q:
    kinds = [kind.name for kind in all_kinds() if word.casefold() in str(kind.label).casefold()]
    is_its_number = Q(subject__iendswith=f":{word.lstrip('#')}")
    return Q(title__icontains=word) | Q(kind__in=kinds) | is_its_number
