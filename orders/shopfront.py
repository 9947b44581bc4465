"""The customer's page: their orders, and offers to order from."""

from decimal import Decimal
from typing import NamedTuple, cast

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

import realtime
from realtime.bell import keep_for_back

from .events import STREAM
from .models import Order
from .stages import Stage, stages
from .status import Status
from .wording import WORDS, Words

SHOWN = 20


class Offer(NamedTuple):
    """A product that can be ordered with one click."""

    product: str | Promise
    unit_price: Decimal


OFFERS = {
    "cups": Offer(_("Espresso cups"), Decimal("24.00")),
    "teapot": Offer(_("Teapot"), Decimal("39.50")),
    "bowl": Offer(_("Salad bowl"), Decimal("27.90")),
}


class Card(NamedTuple):
    """One order, as templates/orders/card.html shows it."""

    order: Order
    stages: list[Stage]

    @property
    def words(self) -> Words:
        return WORDS[Status(self.order.status)]


@require_safe
@keep_for_back
def home(request: HttpRequest) -> HttpResponse:
    if not request.user.is_authenticated:
        return redirect("login")  # without `next`, because the login decides by the user's role
    # The cursor comes first: a change after it may be shown twice, but is never missing.
    cursor = realtime.current_cursor(STREAM)
    orders = list(Order.objects.filter(customer=request.user)[: SHOWN + 1])
    context = {
        "cards": [Card(order, stages(order)) for order in orders[:SHOWN]],
        "has_more": len(orders) > SHOWN,
        "offers": OFFERS,
        "cursor": cursor,
    }
    return render(request, "orders/home.html", context)


@require_POST
@login_required
def place(request: HttpRequest) -> HttpResponse:
    """Order one of an offer, at its price. The script gets a 204, and the order by the stream."""
    offer = OFFERS.get(request.POST.get("offer", ""))
    if offer is None:
        return HttpResponse(status=400)
    Order.objects.create(
        customer=cast(User, request.user),
        product=str(offer.product),
        quantity=1,
        unit_price=offer.unit_price,
    )
    return redirect("home") if request.accepts("text/html") else HttpResponse(status=204)
