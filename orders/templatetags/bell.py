"""The notification bell, for any page: `{% load bell %}{% bell %}`."""

from typing import Any

from django import template
from django.http import HttpRequest
from django.urls import reverse

import realtime
from realtime import conf

from ..bell import bell_of

register = template.Library()


@register.inclusion_tag("orders/header_bell.html", takes_context=True)
def bell(context: template.Context) -> dict[str, Any]:
    """The bell of whoever is signed in, with its stylesheet and script; nothing for others.

    It stands once in a page, and takes the context processor `request`. What else shows the user's
    notifications in that page takes them from `orders.bell.bell_of(request)`.
    """
    request = context.get("request")
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"bell": None}
    return {
        "bell": bell_of(request),
        "recipient": realtime.topic_of(user),
        "heartbeat_seconds": conf.get("HEARTBEAT_SECONDS"),
        "here": _page_of(request),
    }


def _page_of(request: HttpRequest) -> str:
    """Where a form leads back to. The bell alone, made anew for a page, is none to come back to."""
    return reverse("bell") if request.path == reverse("bell_state") else request.get_full_path()
