"""The admin's view of the streams: their state, the events in the log, and who is connected.

It only reads, except that it can end the streams of a user.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, Min, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from . import conf
from .access.revocation import end_streams
from .log import retention
from .models import DeadLetter, Event, OutboxEvent, Process, Stream

PAGE_ROWS = 50
# A page of a filter without an index searches at most so many events.
LOOK_POSITIONS = 100_000
# Three beats, see hub/presence.py.
ALIVE = timedelta(seconds=50)


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # can't be subscripted when it runs
    """Adds, changes and deletes nothing: only the library writes these tables."""

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class LogAdmin(ReadOnlyAdmin):
    """Of a table in the database of the event log."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).using(conf.get("DATABASE"))


@admin.register(DeadLetter)
class DeadLetterAdmin(LogAdmin):
    list_display = ("outbox_id", "stream", "topic", "type", "created_at", "set_aside_at", "reason")


@admin.register(Stream)
class StreamAdmin(LogAdmin):
    list_display = ("name", "position", "kept", "a_minute", "waiting", "lag", "retention", "log")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        waiting = OutboxEvent.objects.filter(stream=OuterRef("name")).order_by().values("stream")
        streams: QuerySet[Any] = (
            super()
            .get_queryset(request)
            .annotate(
                waiting=Coalesce(Subquery(waiting.annotate(n=Count("*")).values("n")), 0),
                oldest=Subquery(waiting.annotate(oldest=Min("created_at")).values("oldest")),
            )
        )
        return streams

    @admin.display(description=_("events kept"))
    def kept(self, stream: Stream) -> int:
        return stream.position - stream.pruned_through

    @admin.display(description=_("in the last minute"))
    def a_minute(self, stream: Stream) -> int:
        return stream.position - retention.cut_by_age(stream.name, timedelta(minutes=1))

    @admin.display(description=_("waiting for a position"), ordering="waiting")
    def waiting(self, stream: Any) -> int:
        return int(stream.waiting)

    @admin.display(description=_("oldest of them"), ordering="oldest")
    def lag(self, stream: Any) -> str:
        if stream.oldest is None:
            return "–"
        return f"{(timezone.now() - stream.oldest).total_seconds():.1f} s"

    @admin.display(description=_("kept for"))
    def retention(self, stream: Stream) -> str:
        ages = retention.ages(stream.name)
        if set(ages) == {retention.OTHERS}:
            return _days(ages[retention.OTHERS])
        return ", ".join(f"{kind}: {_days(age)}" for kind, age in ages.items()) or gettext("ever")

    @admin.display(description=_("log"))
    def log(self, stream: Stream) -> SafeString:
        address = reverse("admin:realtime_stream_log", args=[stream.name])
        return format_html('<a href="{}">{}</a>', address, gettext("Read the log"))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.log_view)
        own = path("<path:name>/log/", view, name="realtime_stream_log")
        return [own, *super().get_urls()]

    def log_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """A page of a stream's events, newest first; of one topic or type if the query names it.

        Django's own list can't show a model with a composite primary key.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        stream = self.get_queryset(request).filter(name=name).first()
        if stream is None:
            raise Http404(f"There is no stream {name!r}.")
        topic, type = request.GET.get("topic", "").strip(), request.GET.get("type", "").strip()
        before = _position(request.GET.get("before")) or stream.position + 1
        lowest = before - LOOK_POSITIONS
        events = Event.objects.using(conf.get("DATABASE")).filter(stream=name, position__lt=before)
        if topic:
            events = events.filter(topic=topic)
        if type:
            # There is no index for the type alone, so only the newest events are searched.
            events = events.filter(type=type, position__gte=lowest)
        rows = list(events.order_by("-position")[:PAGE_ROWS])
        older: int | None = None
        if len(rows) == PAGE_ROWS:
            older = rows[-1].position
        elif type and lowest > stream.pruned_through:
            older = lowest
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("The log of %(stream)s") % {"stream": name},
            "opts": self.opts,
            "stream": stream,
            "events": rows,
            "topic": topic,
            "type": type,
            "older": older,
        }
        return TemplateResponse(request, "admin/realtime/stream/log.html", context)


def _days(age: timedelta) -> str:
    """An age in words: “90 days”, with hours if it isn't whole days."""
    if age % timedelta(days=1):
        return str(age)
    return ngettext("%(days)s day", "%(days)s days", age.days) % {"days": age.days}


def _position(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


@admin.register(Process)
class ProcessAdmin(LogAdmin):
    list_display = ("__str__", "started_at", "beat_at", "is_alive", "streams")
    ordering = ("host", "pid")
    change_form_template = "admin/realtime/process/change_form.html"
    fields = ("host", "pid", "started_at", "beat_at", "streams")

    @admin.display(boolean=True, description=_("alive"))
    def is_alive(self, process: Process) -> bool:
        return timezone.now() - process.beat_at < ALIVE

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.end_view))
        return [path("end/", view, name="realtime_process_end"), *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        process = self.get_object(request, object_id)
        users = list(_users(process.users)) if isinstance(process, Process) else []
        context = {"users": users, "may_end": self._may_end(request), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def end_view(self, request: HttpRequest) -> HttpResponse:
        """End a user's streams in every process. A client that may still read reconnects."""
        if not self._may_end(request):
            raise PermissionDenied
        user = request.POST.get("user", "")
        end_streams(user)
        said = gettext("The streams of user %(user)s are being ended.") % {"user": user}
        messages.success(request, said)
        return HttpResponseRedirect(reverse("admin:realtime_process_changelist"))

    def _may_end(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("realtime.end_streams"))


def _users(streams: dict[str, int]) -> Iterator[tuple[str, str, int]]:
    """The key, name and number of streams of each user."""
    model = get_user_model()
    found = model._default_manager.filter(pk__in=[key for key in streams if _is_key(model, key)])
    names = {str(user.pk): user.get_username() for user in found}
    for key, count in streams.items():
        yield key, names.get(key, "–"), count


def _is_key(model: Any, key: str) -> bool:
    """Whether this can be a user's primary key: an anonymous visitor has another kind of key."""
    try:
        model._meta.pk.to_python(key)
    except ValidationError:
        return False
    return True
