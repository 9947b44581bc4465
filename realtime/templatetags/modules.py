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

# `import … from "./other.js"` and `import "./other.js"` at the beginning of a line: not what a
# comment says, nor `import()`, which is for later.
IMPORT = re.compile(r"""^(?:import|export)\b[^"'`;()]*?["'](\.{1,2}/[^"']+)["'];""", re.MULTILINE)


@register.simple_tag(takes_context=True)
def module(context: template.Context, name: str) -> SafeString:
    """The script, and a hint for each module that it imports, once in a page.

    Without these a browser learns of a module only when it has read the one that imports it: one
    round trip for each level, before the page is live.
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
    """Those that no other script of the page that is being made has hinted at."""
    request = context.get("request")
    hinted: set[str] = request.__dict__.setdefault("_modules", set()) if request else set()
    new = [name for name in names if name not in hinted]
    hinted.update(new)
    return new


def _imported_now(name: str) -> tuple[str, ...]:
    """All that a module imports, itself or by way of others, each once, nearest first."""
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
    """What the file says; nothing, where that can't be read here. It is only for hints."""
    if not apps.is_installed("django.contrib.staticfiles"):
        return ""
    # Where it is written, or where it was collected: a server in production may have only that.
    path = finders.find(name)
    if path is not None:
        return Path(path).read_text(encoding="utf-8")
    try:
        with staticfiles_storage.open(name) as file:
            return str(file.read(), "utf-8")
    except (OSError, NotImplementedError):
        return ""
