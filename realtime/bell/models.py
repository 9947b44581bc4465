"""Each user's bell, and the threads of notifications in it.

The log is the truth: a notification is an event of its user's topic, and so is each change that the
user makes to it. These tables are the result of the events up to `Bell.position`; `inbox.py` brings
them up to date when the bell is shown. So a notification costs its writer one event and no lock,
and all pages see notifications in the same order.
"""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from .kinds import Kind, kind_named
from .languages import in_readers_language


class Bell(models.Model):
    """The result of a user's events up to a position."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        on_delete=models.CASCADE,
        related_name="realtime_bell",
    )
    position = models.BigIntegerField(
        default=0, help_text="The last of the user's events that these tables know of."
    )
    mark = models.IntegerField(null=True, help_text="The mark of that event.")
    seen_position = models.BigIntegerField(
        default=0, help_text="What came up to here was on the screen."
    )
    choices = models.JSONField(
        default=dict, help_text="Whether they want to be told, by the name of a kind."
    )

    class Meta:
        verbose_name = _("bell")
        verbose_name_plural = _("bells")

    def __str__(self) -> str:
        return f"Bell of {self.user}"

    def wants(self, kind: Kind) -> bool:
        """Whether the user wants to be told of this kind."""
        return bool(self.choices.get(kind.name, kind.default))


class ThreadQuerySet(models.QuerySet["Thread"]):
    def inbox(self) -> "ThreadQuerySet":
        return self.filter(position__gt=F("archived_position"))

    def archived(self) -> "ThreadQuerySet":
        return self.filter(position__lte=F("archived_position"))

    def unread(self) -> "ThreadQuerySet":
        return self.filter(position__gt=F("read_position"), archived_position__lt=F("position"))


class Thread(models.Model):
    """All notifications of a user about one subject; a row of the inbox shows the newest."""

    class State(models.TextChoices):
        """Whether the reader has seen or read a thread."""

        NEW = "new", _("New")  # arrived after they last looked at their notifications
        SEEN = "seen", _("Unread")
        READ = "read", _("Read")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,  # an index below begins with it
    )
    subject = models.CharField(_("subject"), max_length=200)
    title = models.CharField(_("title"), max_length=200, blank=True)
    url = models.CharField(_("address"), max_length=2000, blank=True)
    kind = models.CharField(_("kind"), max_length=100)
    position = models.BigIntegerField(help_text="Of the newest notification.")
    changed_at = models.DateTimeField(_("time"), help_text="Of the newest notification.")
    read_position = models.BigIntegerField(default=0)
    archived_position = models.BigIntegerField(default=0)
    # The read position that undoing the archiving restores.
    read_before_archived = models.BigIntegerField(default=0)

    objects = ThreadQuerySet.as_manager()

    class Meta:
        verbose_name = _("thread")
        verbose_name_plural = _("threads")
        constraints = [
            models.UniqueConstraint(fields=["user", "subject"], name="bell_one_thread_a_subject")
        ]
        indexes = [
            models.Index(fields=["user", "-position"], name="bell_threads_of_a_user"),
            models.Index(
                fields=["user", "-position"],
                name="bell_unread_threads",
                condition=Q(position__gt=F("read_position")),
            ),
        ]

    def __str__(self) -> str:
        return self.title or self.subject

    def state_for(self, bell: Bell) -> State:
        """New, seen or read."""
        if self.position <= self.read_position:
            return self.State.READ
        return self.State.NEW if self.position > bell.seen_position else self.State.SEEN

    @property
    def localized_url(self) -> str:
        """The thread's address in the language of the present reader."""
        return in_readers_language(self.url)

    @property
    def is_archived(self) -> bool:
        return self.position <= self.archived_position


class Notification(models.Model):
    """One thing that a user was told."""

    thread = models.ForeignKey(
        Thread, on_delete=models.CASCADE, related_name="notifications", db_index=False
    )
    position = models.BigIntegerField(help_text="Of its event in the log.")
    kind = models.CharField(_("kind"), max_length=100)
    context = models.JSONField(default=dict, help_text="What notify() was given for its words.")
    created_at = models.DateTimeField(_("time"))

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        constraints = [
            # Deferred, because one statement moves all positions when the log is another one.
            models.UniqueConstraint(
                fields=["thread", "position"],
                name="bell_story_of_a_thread",
                deferrable=models.Deferrable.DEFERRED,
            )
        ]

    def __str__(self) -> str:
        return str(self.label)

    @property
    def look(self) -> Kind:
        return kind_named(self.kind)

    @property
    def label(self) -> str:
        return str(self.look.label)

    @property
    def sentence(self) -> str:
        return self.look.sentence_for(self.context)


def threads_of(user: Any) -> ThreadQuerySet:
    """All threads of a user."""
    threads: ThreadQuerySet = Thread.objects.filter(user=user)
    return threads
