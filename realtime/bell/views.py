"""The views of the inbox, of the bell's buttons, and of the bell's stream."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

import realtime

from .changes import ONE_SUBJECT_ONLY, Action, choose
from .changes import change as publish_change
from .kept_pages import keep_for_back
from .kinds import kinds_offered_to
from .models import Thread, threads_of
from .notifying import STREAM
from .snapshot import bell_of, inbox_page

# A position is a bigint of the database.
HIGHEST = 2**63 - 1


class BellStream(realtime.EventStreamView):
    """The user's own events: their notifications, and the changes that they make in any tab."""

    stream = STREAM


class InboxForm(forms.Form):
    """Selects which part of the inbox is shown."""

    show = forms.ChoiceField(
        choices=[
            ("all", pgettext_lazy("notifications", "All")),
            ("unread", _("Unread")),
            ("archived", _("Archived")),
        ],
        required=False,
    )
    q = forms.CharField(required=False, max_length=200)
    before = forms.IntegerField(required=False, min_value=-HIGHEST, max_value=HIGHEST)
    archived = forms.IntegerField(required=False, max_value=HIGHEST)


class ChangeForm(forms.Form):
    """A reader's change to one thread, or to all."""

    action = forms.ChoiceField(
        choices=[(action.value, action.value) for action in Action if action is not Action.CHOOSE]
    )
    subject = forms.CharField(required=False, max_length=200)
    through = forms.IntegerField(min_value=0, max_value=HIGHEST)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("action") in ONE_SUBJECT_ONLY and not cleaned.get("subject"):
            self.add_error("subject", _("Name the subject of one thread."))
        return cleaned


@require_safe
@keep_for_back
@login_required
def inbox(request: HttpRequest) -> HttpResponse:
    form = InboxForm(request.GET)
    if not form.is_valid():
        raise Http404("There is no such page of the inbox.")
    bell = bell_of(request)
    show, query = form.cleaned_data["show"] or "all", form.cleaned_data["q"]
    before = form.cleaned_data["before"]
    context = {
        "bell": bell,
        "page": inbox_page(bell.bell, show=show, query=query, before=before),
        "show": show,
        "tabs": InboxForm.base_fields["show"].choices,  # type: ignore[attr-defined]  # a ChoiceField
        "query": query,
        "is_newest": before is None,
        "archived": _own_thread(request, form.cleaned_data["archived"]),
        "here": request.get_full_path(),
    }
    return render(request, "bell/inbox.html", context)


def _own_thread(request: HttpRequest, key: int | None) -> Thread | None:
    """The thread that a form has just archived, so that the page can offer to undo it."""
    return None if key is None else threads_of(request.user).filter(pk=key).first()


@require_safe
@never_cache
def state(request: HttpRequest) -> HttpResponse:
    """The bell alone, as the server renders it now, for a page whose bell is out of date."""
    if not request.user.is_authenticated:
        return _signed_out()
    return render(request, "bell/state.html")


@require_POST
def change(request: HttpRequest) -> HttpResponse:
    """Make a change. The script gets a 204 and shows it itself; a form is redirected back."""
    by_form = request.accepts("text/html")
    if not request.user.is_authenticated:
        # Not back to this address after the login, because that would be a GET.
        return redirect_to_login(resolve_url("bell:inbox")) if by_form else _signed_out()
    form = ChangeForm(_fields(request))
    if not form.is_valid():
        return _text("\n".join(f"{name}: {error[0]}" for name, error in form.errors.items()), 400)
    action = Action(form.cleaned_data["action"])
    subject = form.cleaned_data["subject"] or None
    publish_change(request.user, action, subject=subject, through=form.cleaned_data["through"])
    if not by_form:
        return HttpResponse(status=204)
    return redirect(_way_back(request, archived=subject if action is Action.ARCHIVE else None))


def _fields(request: HttpRequest) -> dict[str, Any]:
    """The fields of a change. A button's one value has two: “read orders.order:7”."""
    action, _space, subject = request.POST.get("change", "").partition(" ")
    return {"action": action, "subject": subject, "through": request.POST.get("through")}


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def choices(request: HttpRequest) -> HttpResponse:
    """The page on which a user chooses what they want to be told of."""
    if request.method == "POST":
        wanted = set(request.POST.getlist("kind"))
        offered = kinds_offered_to(request.user)
        choose(request.user, {kind.name: kind.name in wanted for kind in offered})
        return redirect("bell:choices")
    bell = bell_of(request)
    kinds = [(kind, bell.bell.wants(kind)) for kind in kinds_offered_to(request.user)]
    return render(request, "bell/choices.html", {"bell": bell, "kinds": kinds})


def _way_back(request: HttpRequest, *, archived: str | None) -> str:
    url = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    if not is_ours:
        url = resolve_url("bell:inbox")
    thread = archived and threads_of(request.user).filter(subject=archived).first()
    if thread and url.partition("?")[0] == resolve_url("bell:inbox"):
        url += f"{'&' if '?' in url else '?'}{urlencode({'archived': thread.pk})}"
    return url


def _signed_out() -> HttpResponse:
    return _text(gettext("You have been signed out. Sign in again."), 401)


def _text(message: str, status: int) -> HttpResponse:
    return HttpResponse(message, status=status, content_type="text/plain; charset=utf-8")
