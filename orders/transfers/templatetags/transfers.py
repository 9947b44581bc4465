"""How far imports and exports are, for any page: `{% load transfers %}{% transfers_strip %}`."""

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

# Of one that has begun longer ago a page learns by its next event, ten of which come in a second:
# so one whose worker has died stands in no page for ever.
LATEST = timedelta(minutes=10)


@register.inclusion_tag("orders/transfers/strip.html", takes_context=True)
def transfers_strip(context: template.Context) -> dict[str, Any]:
    """A slim bar for each that is under way, for those who may see everybody's orders."""
    user = getattr(context.get("request"), "user", None)
    if user is None or not user.has_perm("orders.view_order"):
        return {"user": None}
    # The cursor first: what the stream says after it may be shown already, but is never missing.
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
    """What became of an import or export, by its notification: “40 orders placed”."""
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
    """Whoever may write to the table may have written anything."""
    return value if isinstance(value, int) else 0


@register.filter
def grouped(number: int) -> str:
    """A number in the form of the page's language, as the page's script writes it."""
    return formats.number_format(number, use_l10n=True, force_grouping=True)
