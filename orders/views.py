"""The page with the bell, and what its button does."""

from django import forms
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render, resolve_url
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from .notifications import bell_snapshot, mark_seen


@require_safe
@never_cache  # a page from the browser's cache would show a list and a count of long ago
@login_required
def bell(request: HttpRequest) -> HttpResponse:
    return render(request, "orders/bell.html", {"bell": bell_snapshot(request.user)})


class SeenForm(forms.Form):
    position = forms.IntegerField(
        min_value=0,
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value"),
            "position has to be the whole number of the last event seen, 0 or more.",
        ),
    )


@require_POST
def bell_seen(request: HttpRequest) -> HttpResponse:
    if not request.user.is_authenticated:
        # Not back to here after signing in: that would be a GET.
        return redirect_to_login(resolve_url("bell"))
    form = SeenForm(request.POST)
    if not form.is_valid():
        message = form.errors["position"][0]
        return HttpResponseBadRequest(message, content_type="text/plain; charset=utf-8")
    mark_seen(request.user, form.cleaned_data["position"])
    if not request.accepts("text/html"):  # the script, which shows the rest by itself
        return HttpResponse(status=204)
    return redirect("bell")
