"""The inbox as JSON, for sites that render it themselves."""

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from .models import Notification
from .snapshot import Row, bell_of, inbox_page
from .views import InboxForm


@require_safe
@never_cache
def threads(request: HttpRequest) -> JsonResponse:
    """A page of threads, the newest first, and the counts of the bell.

    GET ?show=all|unread|archived  &q=…  &before=<position>
        200 {"cursor", "live", "unread", "new", "seen_position", "muted", "older_before",
            "threads": [{"subject", "title", "url", "state", "archived", "has_more",
                "earlier": [a notification, …], and the fields of the newest notification:
                "kind", "label", "sentence", "at", "position", "context"}]}
        400 {"errors"}: an invalid parameter; 401: nobody is signed in

    `unread` and `new` are counted up to 100, which stands for any number above 99. Follow the
    stream at `live` from `cursor`; changes are posted as the bell's own form posts them, see
    docs/bell.md.
    """
    if not request.user.is_authenticated:
        return JsonResponse({"errors": {"user": ["Sign in."]}}, status=401)
    form = InboxForm(request.GET)
    if not form.is_valid():
        return JsonResponse({"errors": form.errors}, status=400)
    bell = bell_of(request)
    page = inbox_page(
        bell.bell,
        show=form.cleaned_data["show"] or "all",
        query=form.cleaned_data["q"],
        before=form.cleaned_data["before"],
    )
    return JsonResponse(
        {
            "cursor": str(bell.cursor),
            "live": reverse("bell:live"),
            "unread": bell.unread_count,
            "new": bell.new_count,
            "seen_position": bell.bell.seen_position,
            "muted": bell.muted,
            "threads": [_thread(row) for row in page.rows],
            "older_before": page.older_before,
        }
    )


def _thread(row: Row) -> dict[str, Any]:
    thread = row.thread
    return {
        "subject": thread.subject,
        "title": thread.title,
        "url": thread.localized_url,
        "state": row.state.value,
        "archived": thread.is_archived,
        **_notification(row.newest),
        "earlier": [_notification(notification) for notification in row.earlier],
        "has_more": row.has_more,
    }


def _notification(notification: Notification) -> dict[str, Any]:
    return {
        "position": notification.position,
        "kind": notification.kind,
        "label": notification.label,
        "sentence": notification.sentence,
        "at": notification.created_at,
        "context": notification.context,
    }
