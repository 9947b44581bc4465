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
    """The kind can't be registered, or no kind of that name is."""


@dataclass(frozen=True)
class Kind:
    """One kind of notification.

    name: the app's label, a dot, and what has happened: "orders.shipped". Up to 100 characters.
    label: the news in a word or two: “Shipped”.
    sentence: the news for its reader. It may use the context given to `notify()`: “%(by)s shared it
        with you.”
    template: renders the sentence and details; it gets `notification` and `kind`.
    icon: the id of a symbol in this app's own icons, or in a static file: "shop/icons.svg#van".
    tone: the colour: blue, violet, amber, green, red or grey.
    group: the heading of the kind where readers choose what they want to be told.
    default: whether users are told who haven't chosen.
    offered_to: takes a user, and returns whether they can choose this kind; None: everybody can. It
        is for kinds that only some users can ever be told of. `notify()` doesn't call it.

    Raises InvalidKind if the name or the tone is invalid.
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
        """The sentence with the context filled in; unchanged, if the context lacks a key."""
        sentence = str(self.sentence)
        try:
            return sentence % context if context else sentence
        except (KeyError, TypeError, ValueError):
            return sentence


_kinds: dict[str, Kind] = {}


def register_kind(kind: Kind) -> Kind:
    """Register a kind; call it once for each name, in an app's `notifications.py`.

    Returns the kind. Raises InvalidKind if another kind has its name.
    """
    if _kinds.setdefault(kind.name, kind) != kind:
        raise InvalidKind(f"Two kinds of notifications are called {kind.name!r}: rename one.")
    return kind


def unregister_kind(name: str) -> None:
    """Remove a kind from the register; for tests."""
    _kinds.pop(name, None)


def check_known(name: str) -> None:
    """Raise InvalidKind unless a kind of that name is registered."""
    if name not in _kinds:
        raise InvalidKind(
            f"There is no kind of notification {name!r}. Register it in the notifications.py of an "
            f"installed app. Known: {', '.join(sorted(_kinds)) or 'none'}."
        )


def kind_named(name: str) -> Kind:
    """The kind of that name; a plain kind if no app registers it any more, so its news stay."""
    return _kinds.get(name) or Kind(name if "." in name else f"unknown.{name}", label=_("News"))


def kinds_offered_to(user: Any) -> list[Kind]:
    """The kinds that a user can choose to be told of, in the order of `all_kinds()`."""
    return [kind for kind in all_kinds() if kind.offered_to is None or kind.offered_to(user)]


def all_kinds() -> Iterator[Kind]:
    """All kinds in the order of registration, with the kinds of a group together."""
    groups: dict[str, list[Kind]] = {}
    for kind in _kinds.values():
        groups.setdefault(str(kind.group), []).append(kind)
    for kinds in groups.values():
        yield from kinds
