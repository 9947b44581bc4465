"""Amounts in the shop's currency."""

from decimal import Decimal
from typing import Any

from django import template
from django.utils import formats
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

# All prices of the shop are in it. static/orders/money.js writes it in the viewer's form.
CURRENCY = "EUR"
SIGN = "€"


@register.filter
def money(amount: Any) -> SafeString:
    """The amount with its currency, to be written in the viewer's form; without one, a blank."""
    if amount in ("", None):
        return format_html('<data data-money="{}" value=""></data>', CURRENCY)
    amount = Decimal(amount)
    shown = formats.number_format(amount, decimal_pos=2, use_l10n=True, force_grouping=True)
    value = f"{amount:.2f}"
    return format_html(
        '<data data-money="{}" value="{}">{} {}</data>', CURRENCY, value, shown, SIGN
    )


@register.filter
def money_field(amount: Any) -> SafeString:
    """The same, for a field that the script fills in by its name, `total`."""
    return SafeString(money(amount).replace("<data ", '<data data-field="total" ', 1))
