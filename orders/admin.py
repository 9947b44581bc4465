"""The shop's view of its orders."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.db import router, transaction
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from .exceptions import InvalidTransition
from .models import Order
from .status import Status

# How many skipped orders a message names: a selection may be all orders of the shop.
SKIPPED_SHOWN = 10


class OrderForm(forms.ModelForm):  # type: ignore[type-arg]  # can't be subscripted when it runs
    """Offers only the statuses that the order can go to."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields.get("status")
        if isinstance(field, forms.ChoiceField):
            status = Status(self.instance.status)
            field.choices = [(choice.value, choice.label) for choice in (status, *status.next)]


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # can't be subscripted when it runs
    form = OrderForm
    list_display = ["id", "customer", "product", "quantity", "total", "status", "placed_at"]
    list_display_links = ["id", "product"]
    list_filter = ["status", "placed_at"]
    list_select_related = ["customer"]
    date_hierarchy = "placed_at"
    search_help_text = _("Product, customer (name or email), or the number of an order")
    autocomplete_fields = ["customer"]
    actions = ["mark_as_paid", "mark_as_shipped", "mark_as_delivered", "cancel"]

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        # By the user model's own field names: not every model has a `username`.
        user = get_user_model()
        names = dict.fromkeys([user.USERNAME_FIELD, user.get_email_field_name()])
        existing = {field.name for field in user._meta.get_fields()}
        return ["product", *(f"customer__{name}" for name in names if name in existing), "=id"]

    def get_fields(self, request: HttpRequest, obj: Order | None = None) -> tuple[str, ...]:
        fields = ("customer", "product", "quantity", "unit_price")
        return fields if obj is None else (*fields, "total", "status", "placed_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Order | None = None) -> list[str]:
        # The customer has been notified of the order, so it can't be given to another one.
        return ["total", "placed_at"] if obj is None else ["customer", "total", "placed_at"]

    @admin.display(description=_("total"), ordering=F("quantity") * F("unit_price"))
    def total(self, order: Order) -> Decimal:
        return order.total

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except InvalidTransition as error:
            # Another user moved the order between this form's validation and its save.
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    @admin.action(description=_("Mark as paid"), permissions=["change"])
    def mark_as_paid(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        self._move(request, queryset, Status.PAID)

    @admin.action(description=_("Mark as shipped"), permissions=["change"])
    def mark_as_shipped(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        self._move(request, queryset, Status.SHIPPED)

    @admin.action(description=_("Mark as delivered"), permissions=["change"])
    def mark_as_delivered(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        self._move(request, queryset, Status.DELIVERED)

    @admin.action(description=_("Cancel"), permissions=["change"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        self._move(request, queryset, Status.CANCELLED)

    def _move(self, request: HttpRequest, queryset: QuerySet[Order], status: Status) -> None:
        """Move all selected orders that can be moved, and say why the others were skipped."""
        # The keys first: the list's filters would silently drop an order that changes meanwhile,
        # and a query with its joins and DISTINCT can't lock rows.
        selected = list(queryset.values_list("pk", flat=True))
        moved = 0
        skipped: dict[str, list[int]] = defaultdict(list)
        with transaction.atomic(using=router.db_for_write(Order)):
            # Always locked in the same order, so that overlapping selections can't deadlock.
            for order in Order.objects.filter(pk__in=selected).order_by("pk").select_for_update():
                if order.status == status:
                    reason = gettext("Already “%(status)s”.") % {"status": status.label}
                    skipped[reason].append(order.pk)
                    continue
                order.status = status
                try:
                    order.save(update_fields=["status"])
                except InvalidTransition as error:
                    skipped[str(error)].append(order.pk)
                else:
                    self.log_change(request, order, [{"changed": {"fields": ["Status"]}}])
                    moved += 1
        if moved:
            text = ngettext(
                "%(count)d order is now “%(status)s”.",
                "%(count)d orders are now “%(status)s”.",
                moved,
            )
            text %= {"count": moved, "status": status.label}
            self.message_user(request, text, messages.SUCCESS)
        for reason, numbers in skipped.items():
            self.message_user(request, f"{skipped_text(numbers)} {reason}", messages.WARNING)


def skipped_text(orders: list[int]) -> str:
    """“Skipped order 7.”, “Skipped orders 7, 8, 9.”, “Skipped orders 7, 8, 9 and 90 more.”"""
    more = len(orders) - SKIPPED_SHOWN
    if more > 0:
        text = gettext("Skipped orders %(numbers)s and %(more)d more.")
    else:
        text = ngettext("Skipped order %(numbers)s.", "Skipped orders %(numbers)s.", len(orders))
    return text % {"numbers": ", ".join(map(str, orders[:SKIPPED_SHOWN])), "more": more}
