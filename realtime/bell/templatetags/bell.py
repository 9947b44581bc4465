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
    """The bell of the signed-in user, with its stylesheet and script; nothing for other visitors.

    live: the URL name of its stream. If the site's pages also follow a stream, name that one, so
        that page and bell share one connection. Its view has to let users follow their own topic.
    scope: as for `{% live %}`.

    Use it once in a page. It needs the context processor `request`. Other parts of the page that
    show the user's notifications get them from `realtime.bell.snapshot.bell_of(request)`.
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

    Notifications about that subject count as read while the user looks at the page.
    """
    return format_html('data-bell-subject="{}"', realtime.topic_of(subject))


def settings_of(user: Any, snapshot: BellSnapshot, live_url: str) -> dict[str, str]:
    """The root's data attributes for the script: the state at the snapshot's cursor."""
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
    """The page that a form returns to. A request for the bell alone is no such page."""
    is_state = request.path == reverse("bell:state")
    return reverse("bell:inbox") if is_state else request.get_full_path()
