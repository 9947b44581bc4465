"""The tag that writes the address of a page's stream, and the cursor at which it begins.

{% load live %}
<main {% live "document_live" document request.user pk=document.pk %}>
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django import template
from django.urls import get_script_prefix, resolve, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from .. import conf
from ..log.cursor import Cursor
from ..log.snapshot import current_cursor
from ..log.topics import topic_of

register = template.Library()


@register.simple_tag
def live(
    url_name: str,
    *topics: Any,
    cursor: Cursor | None = None,
    scope: str | None = None,
    **kwargs: Any,
) -> SafeString:
    """Attributes of the element that `LiveStream.from(element)` in live_stream.js is given.

    url_name: the URL name of the stream's view. kwargs: the arguments of its URL.
    topics: the topics that the page is rendered for. If the user may no longer follow them, the
        stream is refused.
    cursor: the `realtime.current_cursor()` that the view called before its queries. Without it, the
        tag takes the cursor when it is rendered: then the page's queries have to run after the tag.
    scope: “all”, see EventStreamView.

    Returns the attributes. Raises TemplateSyntaxError if the view is no EventStreamView.
    """
    if cursor is None:
        address = reverse(url_name, kwargs=kwargs or None)
        cursor = current_cursor(_stream_of(resolve(_path_info(address)).func))
    return format_html(
        'data-live-url="{}" data-live-cursor="{}" data-live-heartbeat="{}"',
        live_url(url_name, *topics, scope=scope, **kwargs),
        str(cursor),
        str(conf.get("HEARTBEAT_SECONDS")),
    )


def live_url(url_name: str, *topics: Any, scope: str | None = None, **kwargs: Any) -> str:
    """The address of a stream for a page; the arguments are those of `{% live %}`.

    All pages of a browser that follow the same address share one connection.
    """
    address = reverse(url_name, kwargs=kwargs or None)
    query = [("topics", topic_of(topic)) for topic in topics]
    if scope is not None:
        query.append(("scope", scope))
    return f"{address}?{urlencode(query)}" if query else address


def _path_info(address: str) -> str:
    """The address without the site's prefix, which `reverse` adds and `resolve` doesn't take."""
    return "/" + address.removeprefix(get_script_prefix())


def _stream_of(view: Callable[..., Any]) -> str:
    """The name of the stream that a view serves."""
    view_class, initkwargs = getattr(view, "view_class", None), getattr(view, "view_initkwargs", {})
    name = initkwargs.get("stream", getattr(view_class, "stream", None))
    if name is None:
        raise template.TemplateSyntaxError(
            "{% live %} takes the name of the URL of an EventStreamView."
        )
    return str(name)
