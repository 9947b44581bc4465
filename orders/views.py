"""The pages of a customer, and what the bell's buttons do."""

from collections.abc import Callable

from django import forms
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

import realtime
from realtime import conf

from .bell import bell_of, mark_all_read, mark_read, mark_seen
from .history import history_page
from .models import Order
from .timeline import timeline


class PositionForm(forms.Form):
    """The position of an event, or of all events up to it."""

    position = forms.IntegerField(
        min_value=0,
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value"),
            _("position has to be the whole number of an event, 0 or more."),
        ),
    )


@require_safe
@never_cache  # a page from the browser's cache would show a list and a count of long ago
@login_required
def bell(request: HttpRequest) -> HttpResponse:
    return render(request, "orders/bell.html", {"bell": bell_of(request)})


@require_safe
@never_cache
@login_required
def notifications(request: HttpRequest) -> HttpResponse:
    before = None
    if "before" in request.GET:
        form = PositionForm({"position": request.GET["before"]})
        if not form.is_valid():
            raise Http404("before has to be the position of an event.")
        before = form.cleaned_data["position"]
    bell = bell_of(request)
    context = {
        "bell": bell,
        "page": history_page(request.user, bell.state, before),
        "is_newest": before is None,
    }
    return render(request, "orders/notifications.html", context)


@require_safe
@never_cache
@login_required
def order(request: HttpRequest, pk: int) -> HttpResponse:
    # The cursor first: what the stream says after it may be shown already, but is never missing.
    cursor = bell_of(request).cursor
    orders = Order.objects.visible_to(request.user).select_related("customer")
    order = get_object_or_404(orders, pk=pk)
    context = {
        "order": order,
        "timeline": timeline(order),
        "cursor": cursor,
        "recipient": realtime.topic_of(request.user),
        "heartbeat_seconds": conf.get("HEARTBEAT_SECONDS"),
    }
    return render(request, "orders/order.html", context)


@require_safe
@never_cache
def bell_state(request: HttpRequest) -> HttpResponse:
    """The bell alone, for a page whose own has fallen behind for good (`event: reset`)."""
    if not request.user.is_authenticated:
        return _signed_out()
    return render(request, "orders/bell_state.html")


@require_POST
def bell_seen(request: HttpRequest) -> HttpResponse:
    return _mark(request, mark_seen)


@require_POST
def bell_read(request: HttpRequest) -> HttpResponse:
    return _mark(request, mark_read if request.POST.get("one") == "on" else mark_all_read)


def _mark(request: HttpRequest, mark: Callable[[AbstractBaseUser, int], None]) -> HttpResponse:
    """204 for the script, which shows what has changed; a form is led back to where it stood."""
    by_form = request.accepts("text/html")
    if not request.user.is_authenticated:
        # Not back to here after signing in: that would be a GET.
        return redirect_to_login(resolve_url("bell")) if by_form else _signed_out()
    form = PositionForm(request.POST)
    if not form.is_valid():
        return _text(form.errors["position"][0], 400)
    mark(request.user, form.cleaned_data["position"])
    return redirect(_way_back(request)) if by_form else HttpResponse(status=204)


def _way_back(request: HttpRequest) -> str:
    url = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return url if is_ours else resolve_url("bell")


def _signed_out() -> HttpResponse:
    return _text(gettext("You have been signed out. Sign in again."), 401)


def _text(message: str, status: int) -> HttpResponse:
    return HttpResponse(message, status=status, content_type="text/plain; charset=utf-8")
