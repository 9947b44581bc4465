"""Kinds of notifications: what each is called, and how it is shown."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.templatetags.static import static
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from realtime import RealtimeError

ICONS = "realtime/bell/icons.svg"
TONES = ("blue", "violet", "amber", "green", "red", "grey")

Text = str | Promise


class InvalidKind(RealtimeError, ValueError):
    """The kind can't be registered, or there is none of that name."""


@dataclass(frozen=True)
class Kind:
    """One kind of notification.

    name: the app's label, a dot, and what has happened: "orders.shipped". Up to 100 characters.
    label: the news itself, in a word or two: “Shipped”.
    sentence: what it means to its reader. What `notify()` was given can stand in it: “%(by)s shared
        it with you.”
    template: shows sentence and details; it gets `notification` and `kind`.
    icon: the id of a symbol in this app's own icons, or in a static file: "shop/icons.svg#van".
    tone: the colour: blue, violet, amber, green, red or grey.
    group: what its reader finds it under when they choose what they want to be told.
    default: whether those who have chosen nothing are told.
    offered_to: says of a user whether they are asked if they want to be told; without it everybody
        is. For what only some can ever be told. `notify()` doesn't ask it.

    Raises InvalidKind.
    """

    name: str
    label: Text
    sentence: Text = ""
    template: str = "bell/kinds/default.html"
    icon: str = "news"
    tone: str = "grey"
    group: Text = ""
    default: bool = True
    offered_to: Callable[[Any], bool] | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= 100 or "." not in self.name:
            raise InvalidKind(
                f"{self.name!r} can't be the name of a kind: it is an app's label, a dot and what "
                'has happened, such as "orders.shipped", in up to 100 characters.'
            )
        if self.tone not in TONES:
            raise InvalidKind(
                f"The kind {self.name} can't have tone={self.tone!r}: it is one of "
                f"{', '.join(TONES)}."
            )

    @property
    def icon_url(self) -> str:
        path, _hash, symbol = self.icon.rpartition("#")
        return f"{static(path or ICONS)}#{symbol}"

    def sentence_for(self, context: dict[str, Any]) -> str:
        """The sentence, with what the notification says; as it is, if that lacks something."""
        sentence = str(self.sentence)
        try:
            return sentence % context if context else sentence
        except (KeyError, TypeError, ValueError):
            return sentence


_kinds: dict[str, Kind] = {}


def register_kind(kind: Kind) -> Kind:
    """Make a kind known; once for each name, in an app's `notifications.py`.

    Raises InvalidKind if another one has that name.
    """
    if _kinds.setdefault(kind.name, kind) != kind:
        raise InvalidKind(f"Two kinds of notifications are called {kind.name!r}: rename one.")
    return kind


def unregister_kind(name: str) -> None:
    """Forget a kind; for tests."""
    _kinds.pop(name, None)


def check_known(name: str) -> None:
    """Raise InvalidKind unless a kind of that name is registered."""
    if name not in _kinds:
        raise InvalidKind(
            f"There is no kind of notification {name!r}. Register it in the notifications.py of an "
            f"installed app. Known: {', '.join(sorted(_kinds)) or 'none'}."
        )


def kind_named(name: str) -> Kind:
    """The kind of that name. Of one that an app no longer has, a plain one: its news stay."""
    return _kinds.get(name) or Kind(name if "." in name else f"unknown.{name}", label=_("News"))


def kinds_offered_to(user: Any) -> list[Kind]:
    """Those of which a user can choose whether to be told, in the order of `all_kinds()`."""
    return [kind for kind in all_kinds() if kind.offered_to is None or kind.offered_to(user)]


def all_kinds() -> Iterator[Kind]:
    """Those of a group together, in the order in which they were registered."""
    groups: dict[str, list[Kind]] = {}
    for kind in _kinds.values():
        groups.setdefault(str(kind.group), []).append(kind)
    for kinds in groups.values():
        yield from kinds
