"""The pages of a customer."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

import realtime
from realtime.bell import keep_for_back

from .events import STREAM
from .models import Order
from .stages import stages
from .timeline import timeline


@require_safe
@keep_for_back
@login_required
def order(request: HttpRequest, pk: int) -> HttpResponse:
    # The cursor comes first: a change after it may be shown twice, but is never missing.
    cursor = realtime.current_cursor(STREAM)
    orders = Order.objects.visible_to(request.user).select_related("customer")
    order = get_object_or_404(orders, pk=pk)
    context = {
        "order": order,
        "stages": stages(order),
        "timeline": timeline(order),
        "cursor": cursor,
    }
    return render(request, "orders/order.html", context)
