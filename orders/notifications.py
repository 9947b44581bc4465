"""The customer's notifications about orders: each status is a kind of notification."""

from django.utils.translation import gettext_lazy as _

from realtime.bell import Kind, register_kind

from .wording import TONES, WORDS

for status, words in WORDS.items():
    register_kind(
        Kind(
            f"orders.{status.value}",
            label=words.label,
            sentence=words.sentence,
            template="orders/notification.html",
            icon=f"orders/icons.svg#{status.value}",
            tone=TONES[status],
            group=_("Orders"),
        )
    )
