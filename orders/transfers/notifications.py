"""What the bell tells whoever has started an import or an export: that it is through."""

from django.utils.translation import gettext_lazy as _

from realtime.bell import Kind, register_kind

register_kind(
    Kind(
        "transfers.done",
        label=_("Done"),
        icon="done",
        tone="green",
        group=_("Imports and exports"),
    )
)
register_kind(
    Kind(
        "transfers.failed",
        label=_("Failed"),
        icon="failed",
        tone="red",
        group=_("Imports and exports"),
    )
)
