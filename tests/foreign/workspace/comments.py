"""How each library of the browser wants to be told of a comment: as HTML, in its own wrapping."""

from typing import NamedTuple

from django.template.loader import render_to_string

import realtime


class Library(NamedTuple):
    type: str | None
    template: str


LIBRARIES = {
    "htmx2": Library("comment", "workspace/comment.html"),
    "htmx4": Library(None, "workspace/comment.html"),
    "turbo": Library(None, "workspace/comment.turbo.html"),
    "datastar": Library("datastar-merge-fragments", "workspace/comment.datastar.txt"),
}


def topic(document, library):
    return realtime.Topic(f"workspace.comments.{library}", document.pk)


def publish_comment(comment):
    """A site has one of these libraries; this one has all, to try them."""
    for name, library in LIBRARIES.items():
        realtime.publish(
            to=topic(comment.document, name),
            type=library.type,
            html=render_to_string(library.template, {"comment": comment}),
        )
