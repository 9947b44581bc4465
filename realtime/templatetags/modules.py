"""Scripts that are modules: `{% load modules %}{% module "documents/live.js" %}`."""

import posixpath
import re
from functools import cache
from pathlib import Path

from django import template
from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

# `import … from "./other.js"` and `import "./other.js"` at the beginning of a line. Comments don't
# match, nor does `import()`, which loads later.
IMPORT = re.compile(r"""^(?:import|export)\b[^"'`;()]*?["'](\.{1,2}/[^"']+)["'];""", re.MULTILINE)


@register.simple_tag(takes_context=True)
def module(context: template.Context, name: str) -> SafeString:
    """The script's tag, and a preload hint for each module that it imports, once in a page.

    Without the hints a browser learns of a module only from the module that imports it: each level
    would take a round trip before the page is live.
    """
    imported = _imported_now(name) if settings.DEBUG else imported_by(name)
    hints = format_html_join(
        "\n  ",
        '<link rel="modulepreload" href="{}">',
        ((static(each),) for each in _new_in_page(context, imported)),
    )
    script = format_html('<script type="module" src="{}"></script>', static(name))
    return SafeString(f"{hints}\n  {script}" if hints else script)


def _new_in_page(context: template.Context, names: tuple[str, ...]) -> list[str]:
    """The modules for which the page has no hint yet."""
    request = context.get("request")
    hinted: set[str] = request.__dict__.setdefault("_modules", set()) if request else set()
    new = [name for name in names if name not in hinted]
    hinted.update(new)
    return new


def _imported_now(name: str) -> tuple[str, ...]:
    """All modules that a module imports, directly or indirectly, each once, nearest first."""
    found: dict[str, None] = {}
    waiting = [name]
    while waiting:
        importer = waiting.pop(0)
        for target in IMPORT.findall(_source(importer)):
            imported = posixpath.normpath(posixpath.join(posixpath.dirname(importer), target))
            if imported not in found and imported != name:
                found[imported] = None
                waiting.append(imported)
    return tuple(found)


imported_by = cache(_imported_now)


def _source(name: str) -> str:
    """The text of a script; empty if it can't be read here, because it is only used for hints."""
    if not apps.is_installed("django.contrib.staticfiles"):
        return ""
    # The source, or the collected file: a server in production may have only the latter.
    path = finders.find(name)
    if path is not None:
        return Path(path).read_text(encoding="utf-8")
    try:
        with staticfiles_storage.open(name) as file:
            return str(file.read(), "utf-8")
    except (OSError, NotImplementedError):
        return ""
