"""The tables of the event log: waiting events, numbered events, and the state of each stream.

The way of a row: `publish()` inserts an `OutboxEvent` in the caller's own transaction; after that
transaction has committed, the function in `sql/number_events.sql` moves it into the log as an
`Event` with the next position of its stream. See README.md, “How it works”.
"""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from .topics import LONGEST


class Stream(models.Model):
    """The state of a stream. A session that numbers its events locks this row; publishers don't.

    `OutboxEvent` and `Event` name their stream as text, without a foreign key: a foreign key would
    make every publisher share-lock this one row until its commit.
    """

    name = models.CharField(_("name"), max_length=100, primary_key=True)
    position = models.BigIntegerField(
        _("position"),
        default=0,
        help_text="The last position given out; the first event has position 1.",
    )
    mark = models.IntegerField(null=True, help_text="The mark of the event at that position.")
    pruned_through = models.BigIntegerField(
        default=0, help_text="Events up to this position have been pruned from the log."
    )
    pruned_mark = models.IntegerField(
        null=True, help_text="The mark that the event at that position had."
    )

    class Meta:
        verbose_name = _("stream")
        verbose_name_plural = _("streams")

    def __str__(self) -> str:
        return self.name


class PollingLease(models.Model):
    """A process's promise to poll a stream for new events, see `polling_lease.py`.

    It isn't in the stream's row, because that row is updated for each batch of events. While a
    transaction stays open for an hour, PostgreSQL keeps all versions of the row, and every checkout
    would have to go through them.
    """

    stream = models.CharField(max_length=100, primary_key=True)
    until = models.DateTimeField(
        help_text="Events committed before then need no notification: a poll will find them."
    )

    def __str__(self) -> str:
        return f"{self.stream}, until {self.until}"


class PrunedKind(models.Model):
    """How far a stream's events of one kind of topic have been pruned, see `retention.py`."""

    pk = models.CompositePrimaryKey("stream", "kind")
    stream = models.CharField(max_length=100)
    kind = models.CharField(max_length=LONGEST)
    through = models.BigIntegerField(
        default=0, help_text="The position of the last event that was pruned; 0: none was."
    )
    looked_through = models.BigIntegerField(help_text="No event of this kind is left up to here.")

    def __str__(self) -> str:
        return f"{self.stream}, {self.kind}: {self.through}"


class Process(models.Model):
    """A server process, and who is connected to it, as the process itself reports. For the admin.

    If a row is no longer updated, its process ended without deleting it.
    """

    id = models.UUIDField(primary_key=True)
    host = models.CharField(_("host"), max_length=255)
    pid = models.IntegerField(_("process"))
    started_at = models.DateTimeField(_("started"), db_default=Now())
    beat_at = models.DateTimeField(_("last beat"), db_default=Now())
    streams = models.IntegerField(_("streams"), default=0, help_text="How many are open.")
    users = models.JSONField(
        _("users"),
        default=dict,
        help_text="How many streams each user has open, by key; the first 500 users.",
    )

    class Meta:
        verbose_name = _("server process")
        verbose_name_plural = _("server processes")
        permissions: ClassVar = [("end_streams", "Can end the streams of a user")]

    def __str__(self) -> str:
        return gettext("%(host)s, process %(pid)s") % {"host": self.host, "pid": self.pid}


class EventFields(models.Model):
    """The fields that an event has both before and after it is numbered."""

    class Format(models.TextChoices):
        """How the data is to be read."""

        JSON = "json"
        TEXT = "text"

    stream = models.CharField(_("stream"), max_length=100)
    topic = models.CharField(
        _("topic"), max_length=LONGEST, help_text="Who or what it concerns: a text of `topic_of()`."
    )
    type = models.CharField(
        _("type"),
        max_length=100,
        blank=True,
        help_text="The `event:` field on the wire; empty: unnamed.",
    )
    format = models.CharField(max_length=10, choices=Format, db_default=Format.JSON)
    key = models.CharField(
        _("key"),
        max_length=100,
        blank=True,
        db_default="",
        help_text="Only the newest event of a topic with this key is kept; empty: all are kept.",
    )
    trace_parent = models.CharField(
        max_length=55,
        blank=True,
        db_default="",
        help_text="The trace in which it was published, see `tracing.py`; empty: none.",
    )
    created_at = models.DateTimeField(_("published"), db_default=Now())

    class Meta:
        abstract = True


class OutboxEvent(EventFields):
    """An event written by a transaction and not yet numbered."""

    id = models.BigAutoField(primary_key=True)
    data = models.TextField(help_text="The text of the `data:` field; JSON's is one line.")

    class Meta:
        db_table = "realtime_outbox"
        indexes = [models.Index(fields=["stream", "id"], name="realtime_outbox_stream_id")]

    def __str__(self) -> str:
        return f"{self.stream}: {self.type} (waiting)"


class DeadLetter(EventFields):
    """An event that could not be numbered, see `dead_letters.py`. Nobody is told of it."""

    id = models.BigAutoField(primary_key=True)
    outbox_id = models.BigIntegerField(
        _("number in the outbox"), help_text="The id that it had in the outbox."
    )
    data = models.TextField()
    set_aside_at = models.DateTimeField(_("set aside"), db_default=Now())
    reason = models.TextField(_("reason"), help_text="The database's error message.")

    class Meta:
        verbose_name = _("event set aside")
        verbose_name_plural = _("events set aside")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.stream}: {self.type} (set aside)"


class KeptEvents(models.Manager["Event"]):
    """The events that no newer event with their key has replaced."""

    def get_queryset(self) -> models.QuerySet["Event"]:
        return super().get_queryset().filter(data__isnull=False)


class Event(EventFields):
    """An event of the log. The positions of a stream ascend by one, in the order of publication.

    Once a reader has seen position n, no event will ever appear at or below n.
    """

    pk = models.CompositePrimaryKey("stream", "position")
    position = models.BigIntegerField()
    # A random number, the same for all events that were numbered together. After the log went back,
    # another event may take this position: it has another mark.
    mark = models.IntegerField()
    data = models.TextField(  # noqa: DJ001  an empty text is an event's data like any other
        null=True,
        help_text="The text of the `data:` field; null: replaced by a newer event with this key.",
    )
    published_at = models.DateTimeField(db_default=Now())

    objects = KeptEvents()

    class Meta:
        db_table = "realtime_event"
        ordering = ["stream", "position"]
        indexes = [
            models.Index(
                fields=["stream", "topic", "position"],
                condition=Q(data__isnull=False),
                name="realtime_event_topic",
            )
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["stream", "topic", "key"],
                condition=Q(data__isnull=False) & ~Q(key=""),
                name="realtime_event_latest",
            )
        ]

    def __str__(self) -> str:
        return f"{self.stream} {self.position}: {self.type}"
