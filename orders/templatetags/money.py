"""Amounts in the shop's currency."""

from decimal import Decimal
from typing import Any

from django import template
from django.utils import formats
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language

register = template.Library()

# The currency of all prices. The script realtime/page/money.js writes amounts in the viewer's
# format.
CURRENCY = "EUR"
SIGN = "€"


@register.filter
def money(amount: Any) -> SafeString:
    """An element with the amount, which the script formats for the viewer; a blank for None."""
    if amount in ("", None):
        return format_html('<data data-money="{}" value=""></data>', CURRENCY)
    value = f"{Decimal(amount):.2f}"
    return format_html(
        '<data data-money="{}" value="{}">{}</data>', CURRENCY, value, money_text(amount)
    )


@register.filter
def money_text(amount: Any) -> str:
    """The amount in the format of the page's language, for places that allow no element."""
    shown = formats.number_format(
        Decimal(amount), decimal_pos=2, use_l10n=True, force_grouping=True
    )
    in_english = (get_language() or "en").startswith("en")
    return f"{SIGN}{shown}" if in_english else f"{shown} {SIGN}"


@register.filter
def money_field(amount: Any) -> SafeString:
    """The amount for a field that the script fills in by its name, `total`."""
    return SafeString(money(amount).replace("<data ", '<data data-field="total" ', 1))
