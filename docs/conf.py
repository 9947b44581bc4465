"""The documentation as a site: `python -m sphinx -W -b html docs docs/_build`."""

import os
import re
import sys
from importlib import import_module
from pathlib import Path
from textwrap import indent

import django

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

release = import_module("realtime").__version__

project = "django-postgres-realtime"
author = "The authors of django-postgres-realtime"
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
# tests/docs/test_pages.py looks where links lead, to files outside of this folder too; templates
# among HTML are more than its lexer knows.
suppress_warnings = ["myst.xref_missing", "misc.highlighting_failure"]
myst_heading_anchors = 4
autodoc_member_order = "bysource"

html_theme = "furo"
# `python -m sphinx -W -b linkcheck docs docs/_build/links`, where there is a network: links to
# other sites. Those within the project are tests/docs/test_pages.py's.
linkcheck_timeout = 15
linkcheck_retries = 2
linkcheck_anchors = False
linkcheck_ignore = [r"https?://(localhost|127\.0\.0\.1|[\w.]*example\.com)\b.*"]

html_title = f"{project} {version}"
html_extra_path = ["llms.txt"]

# “name: what it is”, “text, html: …”
ARGUMENT = re.compile(r"^(\*{0,2}\w+(?:, \w+)*): ")


def as_markup(app, what, name, obj, options, lines):
    """Docstrings here are plain text: arguments as `name: what it is`, code indented."""
    found = []
    for paragraph in "\n".join(lines).split("\n\n"):
        first = paragraph.partition("\n")[0]
        if first.startswith("    "):
            found.append(f"::\n\n{paragraph}")
            continue
        are_arguments = all(
            ARGUMENT.match(line) or line[:1] == " " for line in paragraph.split("\n")
        )
        if "\n    " in paragraph and not are_arguments:
            found.append("::\n\n" + indent(paragraph, "    "))
            continue
        marked = re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", paragraph)
        if are_arguments:
            marked = re.sub(ARGUMENT.pattern, r":\1: ", marked, flags=re.MULTILINE)
        found.append(marked)
    lines[:] = "\n\n".join(found).split("\n")


def setup(app):
    app.connect("autodoc-process-docstring", as_markup)
