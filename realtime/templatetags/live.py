"""The tag by which a page says where its stream is, and where it begins.

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

    url_name: of the stream's view. kwargs: of its URL.
    topics: for which the page is rendered. The stream is refused if they may no longer be followed.
    cursor: `realtime.current_cursor()` as the view took it, before it looked up what the page
        shows. Without it, the cursor is that of the moment in which the tag is rendered: then write
        the tag before what the page shows, and look that up lazily.
    scope: “all”, see EventStreamView.
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
    """The address of a stream for a page, by the arguments of `{% live %}`.

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
