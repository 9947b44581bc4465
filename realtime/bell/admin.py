"""The admin's view of the bells: what each user was told, and wants to be told. It is read-only.

These tables are made from the users' events. A change to them here would not reach any open page.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.db.models import BooleanField, Count, Q, QuerySet, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Coalesce
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ..admin import ReadOnlyAdmin
from .kinds import Kind, all_kinds, kind_named
from .models import Bell, Notification, Thread

PAGE_USERS = 50


class KindFilter(admin.SimpleListFilter):
    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind.name, f"{kind.group} · {kind.label}") for kind in all_kinds()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class NotificationInline(admin.TabularInline):  # type: ignore[type-arg]  # can't be subscripted when it runs
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
    """What each user was told, up to the last time that they looked at their bell."""

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
    """Which users would be told of which kinds: by user in the list, by kind on another page."""

    list_display = ("user", "told_of", "not_told_of")
    list_select_related = ("user",)
    change_list_template = "admin/bell/bell/bells.html"

    @admin.display(description=_("is told of"))
    def told_of(self, bell: Bell) -> str:
        return ", ".join(str(kind.label) for kind in all_kinds() if bell.wants(kind))

    @admin.display(description=_("is not told of"))
    def not_told_of(self, bell: Bell) -> str:
        return ", ".join(str(kind.label) for kind in all_kinds() if not bell.wants(kind))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.audience_view)
        return [path("audience/", view, name="bell_bell_audience"), *super().get_urls()]

    def audience_view(self, request: HttpRequest) -> HttpResponse:
        """The users, or those that match a search, who would be told of a kind if it happened now.

        For a user without a bell the kind's default decides.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = AudienceForm(request.GET or None)
        # Missing or wrong fields count as empty; the form shows its errors.
        wanted = form.cleaned_data if form.is_valid() else {}
        kind = next((kind for kind in all_kinds() if kind.name == wanted.get("kind")), None)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": gettext("Who would be told"),
            "opts": self.opts,
            "form": form,
            "kind": kind,
        }
        if kind is not None:
            audience = with_wish(users_matching(wanted["q"]), kind)
            counts = audience.aggregate(
                told=Count("pk", filter=Q(is_told=True)),
                not_told=Count("pk", filter=Q(is_told=False)),
            )
            shown = counts["told"] + counts["not_told"]
            if wanted["told"]:
                audience = audience.filter(is_told=wanted["told"] == "yes")
                shown = counts["told" if wanted["told"] == "yes" else "not_told"]
            context.update(counts, page=_page_of(audience, wanted["page"], shown))
        return TemplateResponse(request, "admin/bell/bell/audience.html", context)


class AudienceForm(forms.Form):
    """Selects a kind, and users."""

    kind = forms.ChoiceField(label=_("kind"))
    q = forms.CharField(label=_("user"), required=False, max_length=200)
    told = forms.ChoiceField(
        label=_("is told"),
        choices=[("", _("yes or no")), ("yes", _("yes")), ("no", _("no"))],
        required=False,
    )
    page = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        field = self.fields["kind"]
        field.choices = [  # type: ignore[attr-defined]  # a ChoiceField
            (kind.name, f"{kind.group} · {kind.label}" if kind.group else kind.label)
            for kind in all_kinds()
        ]


def with_wish(users: QuerySet[Any], kind: Kind) -> QuerySet[Any]:
    """The users, each with `is_told`: whether they want to be told of this kind (`Bell.wants`)."""
    choice = Cast(KeyTextTransform(kind.name, "realtime_bell__choices"), BooleanField())
    wished: QuerySet[Any] = users.annotate(is_told=Coalesce(choice, Value(kind.default)))
    return wished


def users_matching(text: str) -> QuerySet[Any]:
    """The users whose name or e-mail address contains a text, ordered by name."""
    model = get_user_model()
    users: QuerySet[Any] = model._default_manager.order_by(model.USERNAME_FIELD, "pk")
    if not text:
        return users
    fields = {field.name for field in model._meta.get_fields()}
    names = fields & {model.USERNAME_FIELD, model.get_email_field_name()}
    found = Q()
    for name in names:
        found |= Q(**{f"{name}__icontains": text})
    return users.filter(found)


def _page_of(audience: QuerySet[Any], number: int | None, count: int) -> Page[Any]:
    paginator = Paginator(audience, PAGE_USERS)
    paginator.count = count  # it is known already
    return paginator.get_page(number or 1)
