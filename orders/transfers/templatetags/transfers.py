"""The progress of imports and exports: `{% load transfers %}{% transfers_strip %}`."""

import json
from datetime import timedelta
from typing import Any

from django import template
from django.utils import formats, timezone
from django.utils.translation import gettext, ngettext

import realtime
from orders.events import STREAM

from ..models import Transfer

register = template.Library()

# A transfer that began longer ago isn't rendered: its next event, of ten a second, adds it to the
# page. So a transfer whose worker has died doesn't stay in all pages for ever.
LATEST = timedelta(minutes=10)


@register.inclusion_tag("orders/transfers/strip.html", takes_context=True)
def transfers_strip(context: template.Context) -> dict[str, Any]:
    """A slim bar for each transfer that is under way, for users who may see all orders."""
    user = getattr(context.get("request"), "user", None)
    if user is None or not user.has_perm("orders.view_order"):
        return {"user": None}
    # The cursor comes first: a change after it may be shown twice, but is never missing.
    cursor = realtime.current_cursor(STREAM)
    under_way = Transfer.objects.defer("content", "errors").filter(
        state__in=[Transfer.State.WAITING, Transfer.State.RUNNING],
        created_at__gt=timezone.now() - LATEST,
    )
    return {
        "user": user,
        "cursor": cursor,
        "now": json.dumps([transfer.event_data() for transfer in under_way]),
    }


@register.simple_tag
def transfer_outcome(notification: Any) -> str:
    """The result of an import or export, from its notification: “40 orders placed”."""
    said = notification.context
    if notification.kind == "transfers.export_failed":
        return gettext("There is no file.")
    if notification.kind == "transfers.export_done":
        rows = _number(said.get("rows"))
        return ngettext("%(n)s order", "%(n)s orders", rows) % {"n": grouped(rows)}
    placed, errors = _number(said.get("placed")), _number(said.get("errors"))
    words = ngettext("%(n)s order placed", "%(n)s orders placed", placed) % {"n": grouped(placed)}
    if errors:
        wrong = ngettext("%(n)s line with errors", "%(n)s lines with errors", errors)
        words += " · " + wrong % {"n": grouped(errors)}
    return words


def _number(value: Any) -> int:
    """Validated, because any role that may write to the table can insert anything."""
    return value if isinstance(value, int) else 0


@register.filter
def grouped(number: int) -> str:
    """A number in the format of the page's language, the same as the page's script writes."""
    return formats.number_format(number, use_l10n=True, force_grouping=True)
