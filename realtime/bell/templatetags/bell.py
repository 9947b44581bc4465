"""The notification bell, for any page: `{% load bell %}{% bell %}`."""

import json
from datetime import date
from typing import Any

from django import template
from django.conf import settings
from django.http import HttpRequest
from django.shortcuts import resolve_url
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

import realtime
from realtime import conf
from realtime.templatetags.live import live_url

from ..snapshot import BellSnapshot, bell_of

register = template.Library()


@register.inclusion_tag("bell/header.html", takes_context=True)
def bell(
    context: template.Context, live: str = "bell:live", scope: str | None = None
) -> dict[str, Any]:
    """The bell of whoever is signed in, with its stylesheet and script; nothing for others.

    live: the name of the URL of its stream. A site whose pages follow a stream too names theirs,
        so that page and bell share one connection: its view has to let users follow themselves.
    scope: as for `{% live %}`.

    It stands once in a page, and takes the context processor `request`. What else shows the user's
    notifications in that page takes them from `realtime.bell.snapshot.bell_of(request)`.
    """
    request = context.get("request")
    user = getattr(request, "user", None)
    if request is None or user is None or not user.is_authenticated:
        return {"bell": None}
    snapshot = bell_of(request)
    return {
        "request": request,
        "user": user,
        "csrf_token": context.get("csrf_token"),
        "bell": snapshot,
        "settings_of_script": settings_of(user, snapshot, live_url(live, user, scope=scope)),
        "here": _page_of(request),
        "login_url": resolve_url(settings.LOGIN_URL),
    }


@register.filter
def day_name(day: date) -> str:
    """“Today”, “Yesterday”, or the date."""
    days = (timezone.localdate() - day).days
    if days <= 0:
        return gettext("Today")
    return gettext("Yesterday") if days == 1 else formats.date_format(day, "DATE_FORMAT")


@register.simple_tag
def bell_subject(subject: Any) -> SafeString:
    """An attribute for the element that shows a subject: `<main {% bell_subject order %}>`.

    What comes of that subject while somebody looks at the page is read already.
    """
    return format_html('data-bell-subject="{}"', realtime.topic_of(subject))


def settings_of(user: Any, snapshot: BellSnapshot, live_url: str) -> dict[str, str]:
    """What the script reads from the root's data attributes: the state that `cursor` belongs to."""
    return {
        "live-url": live_url,
        "live-cursor": str(snapshot.cursor),
        "live-heartbeat": str(conf.get("HEARTBEAT_SECONDS")),
        "state-url": reverse("bell:state"),
        "change-url": reverse("bell:change"),
        "inbox-url": reverse("bell:inbox"),
        "user": realtime.topic_of(user),
        "unread": json.dumps(snapshot.unread),
        "seen-position": str(snapshot.bell.seen_position),
        "most-counted": str(snapshot.most_counted),
        "muted": json.dumps(snapshot.muted),
    }


def _page_of(request: HttpRequest) -> str:
    """Where a form leads back to. The bell alone, made anew for a page, is none to come back to."""
    is_state = request.path == reverse("bell:state")
    return reverse("bell:inbox") if is_state else request.get_full_path()
