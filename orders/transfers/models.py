"""An import or an export of orders, and its progress."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

import realtime
from orders.events import STREAM, TRANSFER_TYPE, utc_text
from realtime.bell import notify

from .problems import Problem

# How many errors of a file are kept: the first ones, because people fix a file from the top.
MOST_ERRORS = 100


# After so long the page says that no worker has taken the transfer: workers poll each second.
WAITS_LONG = timedelta(seconds=30)


class NoLongerRunning(Exception):
    """The transfer was ended meanwhile, because its worker seemed dead: nothing may be written."""


class Transfer(models.Model):
    """One import or export. A task of Django's Tasks framework works on it, see tasks.py."""

    class Kind(models.TextChoices):
        IMPORT = "import", _("Import")
        EXPORT = "export", _("Export")

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        CANCELLED = "cancelled", _("Cancelled")
        FAILED = "failed", _("Failed")

    kind = models.CharField(max_length=10, choices=Kind)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    name = models.CharField(max_length=200, help_text="Of the file.")
    content = models.TextField(blank=True, help_text="The file, as CSV.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True, editable=False)
    heard_at = models.DateTimeField(
        null=True, editable=False, help_text="When its worker has said last that it lives."
    )
    finished_at = models.DateTimeField(null=True, editable=False)
    done = models.PositiveIntegerField(default=0, help_text="Rows that are through.")
    total = models.PositiveIntegerField(default=0)
    error_count = models.PositiveIntegerField(default=0)
    errors = models.JSONField(default=list, blank=True, help_text="As in problems.py.")
    is_cancel_wanted = models.BooleanField(default=False)
    changes = models.PositiveIntegerField(
        default=0, help_text="Grows with each event: a page drops what is older than what it shows."
    )

    class Meta:
        verbose_name = _("transfer")
        verbose_name_plural = _("transfers")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.name}"

    def get_absolute_url(self) -> str:
        """The address of the finished file, or of the page with the errors of an import."""
        return reverse("transfer_file", args=[self.pk]) if self.has_file else reverse("transfers")

    @property
    def is_over(self) -> bool:
        return self.state not in (self.State.WAITING, self.State.RUNNING)

    @property
    def waits_long(self) -> bool:
        """Whether no worker has taken it yet, although one should have."""
        if self.pk is None or self.state != self.State.WAITING:
            return False
        return timezone.now() - self.created_at > WAITS_LONG

    @property
    def problems(self) -> list[Problem]:
        """The first errors of its lines."""
        return [Problem(*error) for error in self.errors]

    @property
    def has_file(self) -> bool:
        """Whether there is an exported file to download."""
        return self.kind == self.Kind.EXPORT and self.state == self.State.DONE

    @property
    def placed(self) -> int:
        """How many orders an import has placed."""
        return self.done - self.error_count

    def rate(self) -> float:
        """Rows a second since it began; 0 before it begins."""
        if self.started_at is None:
            return 0.0
        seconds = ((self.finished_at or timezone.now()) - self.started_at).total_seconds()
        return self.done / seconds if seconds > 0 else 0.0

    def event_data(self) -> dict[str, Any]:
        """The data of its events: all that a bar shows."""
        rate = self.rate()
        left = None
        if self.state == self.State.RUNNING and rate > 0:
            left = round((self.total - self.done) / rate, 1)
        return {
            "transfer": self.pk,
            "kind": self.kind,
            "name": self.name,
            "state": self.state,
            "done": self.done,
            "total": self.total,
            "errors": self.error_count,
            "rate": round(rate, 1),
            "seconds_left": left,
            "created_at": utc_text(self.created_at),
            "changes": self.changes,
        }

    def hold(self, **values: Any) -> None:
        """Note that its worker is alive, and lock the row against its end, in the open transaction.

        values: other fields to save with it.

        Raises NoLongerRunning if it has been ended.
        """
        running = Transfer.objects.filter(pk=self.pk, state=self.State.RUNNING)
        if not running.update(heard_at=timezone.now(), **values):
            raise NoLongerRunning

    def save_and_publish(self, *fields: str) -> None:
        """Save these fields and publish the state, in one transaction.

        Only the newest of these events is kept: a page that opens in the middle, or reads slowly,
        gets the present state without the history.
        """
        self.changes += 1
        with transaction.atomic():
            self.save(update_fields=[*fields, "changes"])
            self.publish()

    def finish(self, *fields: str) -> None:
        """Save these fields at the end of a transfer, and notify the user who started it."""
        self.finished_at = timezone.now()
        with transaction.atomic():
            self.save_and_publish("state", "finished_at", *fields)
            if self.state != self.State.CANCELLED:  # the user cancelled it, and so knows
                notify(
                    self.started_by,
                    f"transfers.{self.kind}_{self.state}",
                    self,
                    title=self.name,
                    rows=self.done,
                    placed=self.placed,
                    errors=self.error_count,
                )

    def publish(self) -> None:
        """Publish the state, in the transaction that is open now."""
        realtime.publish(
            to=self,
            type=TRANSFER_TYPE,
            data=self.event_data(),
            latest="progress",
            stream=STREAM,
        )
