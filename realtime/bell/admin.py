"""What users were told, and who wants to be told of what: to be looked at, not changed.

What stands in these tables is what the users' events come to; changing it here would tell no page.
"""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from .kinds import all_kinds, kind_named
from .models import Bell, Notification, Thread


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # can't be subscripted when it runs
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class KindFilter(admin.SimpleListFilter):
    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind.name, f"{kind.group} · {kind.label}") for kind in all_kinds()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class NotificationInline(admin.TabularInline):  # type: ignore[type-arg]  # as above
    model = Notification
    fields = readonly_fields = ("label", "context", "created_at", "position")
    ordering = ("-position",)
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=_("kind"))
    def label(self, notification: Notification) -> str:
        return notification.label


@admin.register(Thread)
class ThreadAdmin(ReadOnlyAdmin):
    """What each user was told, as far as they have looked at their bell since."""

    list_display = ("title", "user", "news", "subject", "changed_at", "is_read", "archived")
    list_filter = (KindFilter,)
    list_select_related = ("user",)
    search_fields = ("title", "=subject")
    show_full_result_count = False
    ordering = ("-pk",)
    inlines = (NotificationInline,)

    @admin.display(description=_("kind"))
    def news(self, thread: Thread) -> str:
        return str(kind_named(thread.kind).label)

    @admin.display(description=_("Read"), boolean=True)
    def is_read(self, thread: Thread) -> bool:
        return thread.position <= thread.read_position

    @admin.display(description=_("Archived"), boolean=True)
    def archived(self, thread: Thread) -> bool:
        return thread.is_archived


@admin.register(Bell)
class BellAdmin(ReadOnlyAdmin):
    """Who would be told of what: the kinds that each user has chosen or left out."""

    list_display = ("user", "told_of", "not_told_of")
    list_select_related = ("user",)

    @admin.display(description=_("is told of"))
    def told_of(self, bell: Bell) -> str:
        return ", ".join(str(kind.label) for kind in all_kinds() if bell.wants(kind))

    @admin.display(description=_("is not told of"))
    def not_told_of(self, bell: Bell) -> str:
        return ", ".join(str(kind.label) for kind in all_kinds() if not bell.wants(kind))
