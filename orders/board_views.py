"""The views of the staff's board, and of the parts that its script fetches repeatedly."""

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from realtime.bell import keep_for_back

from .board import Filter, board_snapshot, summary
from .exceptions import InvalidTransition
from .models import Order
from .permissions import may_change_orders, may_view_orders
from .status import Status

# Who may read the stream of everybody's orders; see `orders_realtime` in urls.py.
ANY_PART = _("Any part of the name, in upper or lower case")


class BoardForm(forms.Form):
    """Every choice is in the address: it can be shared, and works without a script."""

    status = forms.ChoiceField(
        required=False, choices=[("", ""), *Status.choices], widget=forms.HiddenInput
    )
    customer = forms.CharField(
        required=False, max_length=150, label=_("Customer"), help_text=ANY_PART
    )
    product = forms.CharField(
        required=False, max_length=200, label=_("Product"), help_text=ANY_PART
    )
    # Only the link to older orders has it; without it a new search begins with the newest.
    before = forms.ModelChoiceField(
        Order.objects.select_related("customer"),
        required=False,
        widget=forms.HiddenInput,
        error_messages={"invalid_choice": _("There is no order %(value)s to go on from.")},
    )

    def filter(self) -> Filter:
        return Filter(**{name: self.cleaned_data[name] for name in Filter.__dataclass_fields__})


@require_safe
@keep_for_back
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
    }
    return render(request, "orders/board.html", context)


@require_POST
@login_required
@may_change_orders
def order_move(request: HttpRequest, pk: int) -> HttpResponse:
    """Move an order on to its next status, from its row of the board.

    The script gets a 204, and the result by the stream; a form is redirected to its page. 409 with
    the reason, if the order can't get that status: another user may have moved it meanwhile.
    """
    order = get_object_or_404(Order, pk=pk)
    order.status = request.POST.get("status", "")
    try:
        order.save(update_fields=["status"])
    except InvalidTransition as error:
        return HttpResponse(str(error), status=409, content_type="text/plain; charset=utf-8")
    if not request.accepts("text/html"):
        return HttpResponse(status=204)
    back = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        back, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return redirect(back if is_ours else "orders_board")


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
