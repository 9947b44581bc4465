"""A notification bell for any site: an app of its own, `"realtime.bell"`.

    from realtime.bell import notify

    notify(document.readers.all(), "documents.shared", document, by=request.user.get_username())

Each app registers the kinds of its notifications in a module `notifications.py`:

    from realtime.bell import Kind, register_kind

    register_kind(
        Kind("documents.shared", label=_("Shared"), sentence=_("%(by)s shared it with you."))
    )

docs/bell.md has more. The names below are all that another app needs.
"""

from typing import TYPE_CHECKING

from ..lazy import exports

if TYPE_CHECKING:
    from .kept_pages import keep_for_back
    from .kinds import Kind, register_kind
    from .notifying import Notice, forget, forget_message, message, notify, notify_many
    from .snapshot import BellSnapshot, bell_snapshot

__all__ = [
    "BellSnapshot",
    "Kind",
    "Notice",
    "bell_snapshot",
    "forget",
    "forget_message",
    "keep_for_back",
    "message",
    "notify",
    "notify_many",
    "register_kind",
]


__getattr__ = exports(__name__, __all__, ["kept_pages", "kinds", "notifying", "snapshot"])
