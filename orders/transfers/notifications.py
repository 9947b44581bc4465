"""The notification that an import or an export has ended, for the user who started it."""

from django.contrib.auth.models import AnonymousUser, User
from django.utils.translation import gettext_lazy as _

from realtime.bell import Kind, register_kind


def may_start_one(user: User | AnonymousUser) -> bool:
    return user.has_perm("orders.view_order")


for name, label in {
    "import_done": _("Import done"),
    "export_done": _("Export done"),
    "import_failed": _("Import failed"),
    "export_failed": _("Export failed"),
}.items():
    is_done = name.endswith("done")
    register_kind(
        Kind(
            f"transfers.{name}",
            label=label,
            template="orders/transfers/notification.html",
            icon="done" if is_done else "failed",
            tone="green" if is_done else "red",
            group=_("Imports and exports"),
            offered_to=may_start_one,
        )
    )
