"""What the bell tells: its kinds are found here by themselves."""

from django.utils.translation import gettext_lazy as _

from realtime.bell import Kind, register_kind

register_kind(
    Kind(
        "workspace.shared",
        label=_("Shared"),
        sentence=_("%(by)s shared it with you."),
        icon="document",
        tone="blue",
        group=_("Documents"),
    )
)
