"""A page as its reader finds it: elements by their attributes, and the text that is shown."""

from collections.abc import Iterator

from django.http import HttpResponse
from django.test.html import Element, parse_html

NOT_SHOWN = {"head", "script", "template", "noscript"}


def page_of(response: HttpResponse) -> Element:
    """What holds the page, so that <html> too is found in it."""
    page = Element("page", ())
    page.append(parse_html(response.content.decode()))
    return page


def elements(parent: Element, name: str = "", /, **attributes: str | None) -> Iterator[Element]:
    """All below it of a name and with these attributes, templates left out; `data_x` is `data-x`.

    None: with any value.
    """
    wanted = {key.replace("_", "-"): value for key, value in attributes.items()}
    for child in parent.children:
        if isinstance(child, str) or child.name == "template":
            continue
        found = dict(child.attributes)
        if name in ("", child.name) and all(
            key in found and value in (None, found[key]) for key, value in wanted.items()
        ):
            yield child
        yield from elements(child, name, **attributes)


def element(parent: Element, name: str = "", /, **attributes: str | None) -> Element:
    """The only one there is."""
    (found,) = elements(parent, name, **attributes)
    return found


def attribute(found: Element, name: str) -> str:
    return dict(found.attributes)[name]


def shown_text(found: Element | str) -> str:
    """What a reader with a script finds in it, hidden visually or not."""
    if isinstance(found, str):
        return found
    attributes = dict(found.attributes)
    if found.name in NOT_SHOWN or "hidden" in attributes or "aria-hidden" in attributes:
        return ""
    return " ".join(" ".join(shown_text(child) for child in found.children).split())
