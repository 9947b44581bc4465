"""The first minute: a shop, a customer's phone, and buttons that break things (/demo/)."""

import random
import time
from collections.abc import Callable
from decimal import Decimal
from functools import wraps
from typing import Any

from django import forms
from django.contrib.auth import get_user_model, login
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from orders.events import ORDER_TYPE, STREAM
from orders.models import Order
from orders.status import Status
from realtime import current_cursor, topic_of
from realtime.models import Event, OutboxEvent

from . import accounts, faults

CUSTOMER = "alice"
BACKEND = "django.contrib.auth.backends.ModelBackend"
RUSH = 200
PRODUCTS = ["Teapot", "Espresso cups", "Salad bowl", "Bread knife", "Egg timer", "Corkscrew"]
MOST_QUANTITY = 4

View = Callable[..., HttpResponseBase]


def in_development(view: View) -> View:
    """Answers 404 unless the site is only for trying out."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not accounts.is_on():
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


def as_alice(view: View) -> View:
    """For Alice's page only: others get a 403. Without the script, the answer is the page."""

    @in_development
    @require_POST
    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponseBase:
        # A button that is pressed before the script has loaded submits its form in the usual way.
        wanted = request.get_preferred_type(["application/json", "text/html"])
        page_is_next = wanted == "text/html"
        if request.user.get_username() != CUSTOMER:
            said = {"error": _("Load the page again: Alice is signed out.")}
            return redirect("demo") if page_is_next else JsonResponse(said, status=403)
        answer = view(request)
        return redirect("demo") if page_is_next else answer

    return guarded


class CursorForm(forms.Form):
    """The position at which the page's own count begins."""

    after = forms.IntegerField(min_value=0)


@in_development
@require_GET
@never_cache
def demo(request: HttpRequest) -> HttpResponse:
    """The page. It signs an anonymous visitor in as Alice, whose password is public."""
    alice = get_user_model().objects.filter(username=CUSTOMER, is_active=True).first()
    if alice is None:
        context = {"command": "manage.py demo_accounts"}
        return render(request, "demo/no_accounts.html", context, status=404)
    if not request.user.is_authenticated:
        login(request, alice, backend=BACKEND)
    if request.user != alice:
        return render(request, "demo/somebody_else.html")
    # The cursor comes first: the page counts the events that the stream sends after it.
    cursor = current_cursor(STREAM)
    context = {
        "cursor": cursor,
        "rush": RUSH,
        "stopped_seconds": faults.STOPPED_SECONDS,
        "can_stop_database": faults.can_stop_database(),
        "tabs": range(5),
    }
    return render(request, "demo/demo.html", context)


@in_development
@require_POST
def go_on_as_alice(request: HttpRequest) -> HttpResponse:
    alice = get_user_model().objects.filter(username=CUSTOMER, is_active=True).first()
    if alice is not None:
        login(request, alice, backend=BACKEND)
    return redirect("demo")


@as_alice
def order(request: HttpRequest) -> JsonResponse:
    order = _an_order(request.user)
    order.save()
    return _done([(order.pk, order.status)])


@as_alice
def ship(request: HttpRequest) -> JsonResponse:
    """Move Alice's newest order that isn't shipped yet on: it is paid and shipped at once."""
    done = []
    with transaction.atomic():
        waiting = Order.objects.filter(customer=request.user)
        waiting = waiting.filter(status__in=[Status.PLACED, Status.PAID])
        found = waiting.order_by("-placed_at", "-pk").select_for_update().first()
        while found is not None and found.status != Status.SHIPPED:
            found.status = Status.PAID if found.status == Status.PLACED else Status.SHIPPED
            found.save(update_fields=["status"])
            done.append((found.pk, found.status))
    return _done(done)


@as_alice
def rush(request: HttpRequest) -> JsonResponse:
    """Two hundred orders in one transaction."""
    orders = Order.objects.bulk_create([_an_order(request.user) for _ in range(RUSH)])
    return _done([(order.pk, order.status) for order in orders])


@in_development
@require_GET
@never_cache
def published(request: HttpRequest) -> JsonResponse:
    """How many events of Alice's orders the log holds after a position, numbered or not yet.

    Committed events count, whether a server has seen them or not. Those that the page hasn't
    received count as lost until they arrive. Returns also the time of this clock, in milliseconds.
    """
    form = CursorForm(request.GET)
    if request.user.get_username() != CUSTOMER or not form.is_valid():
        return JsonResponse({}, status=403)
    told = {"stream": STREAM, "topic": topic_of(request.user), "type": ORDER_TYPE}
    # In one statement, so that an event that is numbered meanwhile is counted once.
    waiting = OutboxEvent.objects.filter(**told).values("type")
    numbered = Event.objects.filter(**told, position__gt=form.cleaned_data["after"]).values("type")
    return JsonResponse({"published": waiting.union(numbered, all=True).count(), "now": _now()})


@as_alice
def break_sessions(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"ended": faults.end_sessions()})


@as_alice
def break_database(request: HttpRequest) -> JsonResponse:
    if not faults.can_stop_database():
        raise Http404
    faults.stop_database()
    return JsonResponse({})


@as_alice
def break_server(request: HttpRequest) -> JsonResponse:
    faults.restart_server()
    return JsonResponse({})


def _an_order(customer: AbstractBaseUser) -> Order:
    return Order(
        customer=customer,
        product=random.choice(PRODUCTS),
        quantity=random.randint(1, MOST_QUANTITY),
        unit_price=Decimal(random.randint(300, 9_900)) / 100,
    )


def _done(changes: list[tuple[int, str]]) -> JsonResponse:
    """The answer about committed changes: each order and its new status."""
    return JsonResponse({"committed_at": _now(), "changes": changes})


def _now() -> float:
    """Milliseconds since 1970, as the browser counts them."""
    return time.time() * 1_000
