"""The event log: what is waiting for a number, what has one, and how far each stream has come.

The way of a row: `publish()` inserts an `OutboxEvent` in the caller's own transaction; after that
transaction has committed, the function in `sql/number_events_v2.sql` moves it into the log as an
`Event` with the next position of its stream. See README.md, “How it works”.
"""

from django.db import models
from django.db.models.functions import Now


class Stream(models.Model):
    """How far a stream has come. Publishers lock this row; writers never touch it.

    `OutboxEvent` and `Event` name their stream as text, without a foreign key: a foreign key would
    make every writer share-lock this one row until its commit.
    """

    name = models.CharField(max_length=100, primary_key=True)
    position = models.BigIntegerField(
        default=0, help_text="The last position given out; the first event has position 1."
    )
    pruned_through = models.BigIntegerField(
        default=0, help_text="Events up to this position have been pruned from the log."
    )

    def __str__(self) -> str:
        return self.name


class Watch(models.Model):
    """That a process looks for the events of a stream by itself, see `watches.py`.

    Not in the row of the stream: that one is written for each batch of events. While a transaction
    stays open for an hour, PostgreSQL keeps all its versions, and every checkout would go through
    them.
    """

    stream = models.CharField(max_length=100, primary_key=True)
    until = models.DateTimeField(
        help_text="Who commits an event before then need not hint at it: there will be a look."
    )

    class Meta:
        verbose_name_plural = "watches"

    def __str__(self) -> str:
        return f"{self.stream}, until {self.until}"


class EventFields(models.Model):
    """What an event is, before and after it is numbered."""

    stream = models.CharField(max_length=100)
    recipient = models.CharField(
        max_length=100,
        blank=True,
        help_text="Primary key of the user it is meant for; empty: only for whole-stream readers.",
    )
    type = models.CharField(max_length=100, help_text="The `event:` field on the wire.")
    data = models.TextField(help_text="JSON text, exactly as it is sent.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        abstract = True


class OutboxEvent(EventFields):
    """An event written by a transaction and not yet numbered."""

    class Meta:
        db_table = "realtime_outbox"
        indexes = [models.Index(fields=["stream", "id"], name="realtime_outbox_stream_id")]

    def __str__(self) -> str:
        return f"{self.stream}: {self.type} (waiting)"


class Event(EventFields):
    """An event of the log. Positions of a stream ascend by one in the order of publication.

    A reader who has seen position n will never meet a later arrival at or below n.
    """

    pk = models.CompositePrimaryKey("stream", "position")
    position = models.BigIntegerField()
    published_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "realtime_event"
        ordering = ["stream", "position"]
        indexes = [
            models.Index(
                fields=["stream", "recipient", "position"], name="realtime_event_recipient"
            )
        ]

    def __str__(self) -> str:
        return f"{self.stream} {self.position}: {self.type}"
