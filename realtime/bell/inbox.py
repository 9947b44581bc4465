"""The rules by which a user's events change the bell's tables.

Whichever request shows the bell next applies new events, each once, in the order of their
positions, while it holds the lock of that user's row. `bell_state.js` has the same rules for an
open page.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.db import router, transaction
from django.db.models import F, Q

import realtime
from realtime.models import Event, Stream

from .changes import Action
from .contents import contents
from .kinds import kind_named
from .models import Bell, Notification, Thread
from .notifying import CHANGE, FORGOTTEN, NOTIFICATION, STREAM

TYPES = (NOTIFICATION, FORGOTTEN, CHANGE)
# How many events are read, and applied, at a time.
BATCH = 1_000


def bring_up_to_date(user: Any, position: int) -> Bell:
    """Apply the user's events up to a position of the stream that haven't been applied yet.

    Returns the user's bell, which isn't saved if the user has never had an event.
    """
    using = router.db_for_write(Bell)
    bell = Bell.objects.using(using).filter(user=user).first() or Bell()
    bell.user = user  # saves a query
    while not _look(bell, position, using).is_up_to_date:
        with transaction.atomic(using=using):
            Bell.objects.using(using).get_or_create(user=user)
            bell = Bell.objects.using(using).select_for_update().get(user=user)
            bell.user = user
            found = _look(bell, position, using)
            if found.is_another_log:
                _begin_anew(bell, using)
                found = _look(bell, position, using)
            if found.events:
                _Inbox(bell, using).apply(found.events)
    return bell


class _Found(NamedTuple):
    """The next events of a bell up to a position, BATCH at most."""

    events: list[Event]
    is_another_log: bool  # the bell was brought up to date from another log than this one

    @property
    def is_up_to_date(self) -> bool:
        return not self.events and not self.is_another_log


def _look(bell: Bell, position: int, using: str) -> _Found:
    # Includes the last event that the bell knows: its mark shows whether it is the same event.
    events = Event.objects.using(using).filter(
        stream=STREAM,
        topic=realtime.topic_of(bell.user),
        position__gte=bell.position,
        position__lte=max(position, bell.position),
        type__in=TYPES,
    )
    found = list(events.order_by("position")[: BATCH + 1])
    if bell.position == 0:
        return _Found(found[:BATCH], is_another_log=False)
    if found and found[0].position == bell.position:
        return _Found(found[1:], is_another_log=found[0].mark != bell.mark)
    # That event was pruned, or is of another log.
    last = Stream.objects.using(using).filter(pk=STREAM).values_list("position", flat=True).first()
    return _Found(found[:BATCH], is_another_log=bell.position > (last or 0))


def _begin_anew(bell: Bell, using: str) -> None:
    """Move all that the tables know before the beginning of the log, which is another one now."""
    past = bell.position + 1
    threads = Thread.objects.using(using).filter(user=bell.user)
    Notification.objects.using(using).filter(thread__in=threads).update(
        position=F("position") - past
    )
    threads.update(
        position=F("position") - past,
        read_position=F("read_position") - past,
        archived_position=F("archived_position") - past,
        read_before_archived=F("read_before_archived") - past,
    )
    bell.seen_position -= past
    bell.position, bell.mark = 0, None
    bell.save(using=using)


class _Inbox:
    """A bell, and the threads that some events concern, while these events are applied."""

    def __init__(self, bell: Bell, using: str) -> None:
        self.bell = bell
        self.using = using
        self.threads: dict[str, Thread] = {}
        self.stories: list[tuple[Thread, Notification]] = []

    def apply(self, events: list[Event]) -> None:
        told = [(event, data) for event in events if (data := contents(event)) is not None]
        self._load(data for _, data in told)
        for event, data in told:
            if event.type == NOTIFICATION:
                self._notify(event, data)
            elif event.type == FORGOTTEN:
                self._forget(data["subject"])
            else:
                self._change(data)
        self.bell.position, self.bell.mark = events[-1].position, events[-1].mark
        self._save()

    def _load(self, datas: Iterable[dict[str, Any]]) -> None:
        subjects = set()
        wanted = Q()
        for data in datas:
            if data.get("subject") is not None:
                subjects.add(data["subject"])
            elif data.get("action") == Action.READ:
                wanted |= Q(position__gt=F("read_position"))
            elif data.get("action") == Action.ARCHIVE:
                wanted |= Q(position__gt=F("archived_position"))
        found = Thread.objects.using(self.using).filter(user=self.bell.user)
        found = found.filter(Q(subject__in=subjects) | wanted)
        self.threads = {thread.subject: thread for thread in found}

    def _notify(self, event: Event, data: dict[str, Any]) -> None:
        kind = kind_named(data["kind"])
        if not self.bell.wants(kind):
            return
        thread = self.threads.setdefault(
            data["subject"], Thread(user=self.bell.user, subject=data["subject"])
        )
        thread.title, thread.url = data["title"], data["url"]
        thread.kind = data["kind"]
        thread.position, thread.changed_at = event.position, event.created_at
        notification = Notification(
            position=event.position,
            kind=data["kind"],
            context=data["context"],
            created_at=event.created_at,
        )
        self.stories.append((thread, notification))

    def _forget(self, subject: str) -> None:
        thread = self.threads.pop(subject, None)
        if thread is None:
            return
        self.stories = [(of, story) for of, story in self.stories if of is not thread]
        if thread.pk is not None:
            thread.delete(using=self.using)

    def _change(self, data: dict[str, Any]) -> None:
        action = data["action"]
        if action == Action.SEE:
            self.bell.seen_position = max(self.bell.seen_position, data["through"])
        elif action == Action.CHOOSE:
            self.bell.choices |= data["choices"]
        else:
            for thread in self._concerned(data["subject"]):
                change_thread(thread, action, data)

    def _concerned(self, subject: str | None) -> list[Thread]:
        if subject is None:
            return list(self.threads.values())
        return [self.threads[subject]] if subject in self.threads else []

    def _save(self) -> None:
        new = [thread for thread in self.threads.values() if thread.pk is None]
        known = [thread for thread in self.threads.values() if thread.pk is not None]
        Thread.objects.using(self.using).bulk_create(new)
        Thread.objects.using(self.using).bulk_update(known, THREAD_FIELDS, batch_size=500)
        for thread, notification in self.stories:
            notification.thread = thread
        Notification.objects.using(self.using).bulk_create(story for _, story in self.stories)
        self.bell.save(using=self.using)


THREAD_FIELDS = [
    "title",
    "url",
    "kind",
    "position",
    "changed_at",
    "read_position",
    "archived_position",
    "read_before_archived",
]


def change_thread(thread: Thread, action: str, data: dict[str, Any]) -> None:
    """Apply a reader's change to a thread. The arguments are those of the event of `changes.py`."""
    if action == Action.READ:
        thread.read_position = max(thread.read_position, data["through"])
    elif action == Action.UNREAD:
        thread.read_position = min(thread.read_position, data["last"] - 1)
        thread.archived_position = min(thread.archived_position, data["last"] - 1)
    elif action == Action.ARCHIVE:
        if not thread.is_archived:
            thread.read_before_archived = thread.read_position
        thread.archived_position = max(thread.archived_position, data["through"])
        thread.read_position = max(thread.read_position, data["through"])
    elif action == Action.UNARCHIVE:
        thread.archived_position = min(thread.archived_position, data["last"] - 1)
        thread.read_position = data["read"]
