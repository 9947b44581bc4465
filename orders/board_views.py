"""The staff's board, and what its script asks for again and again."""

from django import forms
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

import realtime
from realtime import conf

from .board import Filter, board_snapshot, summary
from .models import Order
from .status import Status

# Who may read the stream of everybody's orders; see `orders_realtime` in urls.py.
may_view_orders = permission_required("orders.view_order", raise_exception=True)


class BoardForm(forms.Form):
    """Every choice is in the address: it can be shared, and works without a script."""

    status = forms.ChoiceField(
        required=False, choices=[("", ""), *Status.choices], widget=forms.HiddenInput
    )
    customer = forms.CharField(required=False, max_length=150, label=_("Customer"))
    product = forms.CharField(required=False, max_length=200, label=_("Product"))
    # Given by the link to older ones, and left out by the form: a new search begins at the newest.
    before = forms.ModelChoiceField(
        Order.objects.select_related("customer"),
        required=False,
        widget=forms.HiddenInput,
        error_messages={"invalid_choice": _("There is no order %(value)s to go on from.")},
    )

    def filter(self) -> Filter:
        return Filter(**{name: self.cleaned_data[name] for name in Filter.__dataclass_fields__})


@require_safe
@never_cache  # a page from the browser's cache would show a list of long ago
@login_required
@may_view_orders
def orders_board(request: HttpRequest) -> HttpResponse:
    form = BoardForm(request.GET)
    if not form.is_valid():
        return render(request, "orders/board.html", {"form": form}, status=400)
    context = {
        "form": form,
        "filter": form.filter(),
        "board": board_snapshot(form.filter(), before=form.cleaned_data["before"]),
        "recipient": realtime.topic_of(request.user),
        "heartbeat_seconds": conf.get("HEARTBEAT_SECONDS"),
    }
    return render(request, "orders/board.html", context)


@require_safe
@never_cache
@login_required
@may_view_orders
def orders_board_summary(request: HttpRequest) -> HttpResponse:
    """Counts and chart alone, for the same filter."""
    form = BoardForm(request.GET)
    if not form.is_valid():
        return HttpResponseBadRequest()
    context = {"filter": form.filter(), "summary": summary(form.filter())}
    return render(request, "orders/board_summary.html", context)
