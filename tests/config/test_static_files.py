"""Static files as production has them."""

import gzip
import json
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.template import Context, Template
from django.test import override_settings

from realtime.templatetags.modules import imported_by

HASHED = {"staticfiles": {"BACKEND": "config.storage.HashedStaticFiles"}}
# Not those in comments, which name types: Django leaves them alone from 6.1 on.
IMPORT = re.compile(r"""^(?:import|export)\b[^"';(]*?["'](\.[^"']+)["']""", re.MULTILINE)


@pytest.fixture(scope="module")
def collected(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("static")
    with override_settings(STORAGES=HASHED, STATIC_ROOT=folder):
        call_command("collectstatic", interactive=False, verbosity=0)
    return folder


def names(folder: Path) -> dict[str, str]:
    return json.loads((folder / "staticfiles.json").read_text())["paths"]


def ours(folder: Path) -> list[str]:
    """The hashed names of our own modules."""
    apps = ("orders/", "realtime/", "demo/")
    return [
        hashed
        for name, hashed in names(folder).items()
        if name.startswith(apps) and name.endswith(".js")
    ]


def test_what_a_module_imports_has_its_hashed_name(collected):
    known = set(names(collected).values())
    imports = 0
    for module in ours(collected):
        path = collected / module
        for target in IMPORT.findall(path.read_text()):
            imported = (path.parent / target).resolve().relative_to(collected.resolve())
            assert str(imported) in known, f"{module} imports {target}"
            imports += 1
    assert imports > 20


def test_what_shrinks_lies_compressed_beside_it(collected):
    for module in ours(collected):
        path = collected / module
        if path.stat().st_size >= 500:
            compressed = path.with_name(f"{path.name}.gz").read_bytes()
            assert gzip.decompress(compressed) == path.read_bytes()
    assert not list(collected.glob("**/*.png.gz"))


def test_a_page_names_all_modules_of_its_script_at_once():
    html = Template('{% load modules %}{% module "orders/board.js" %}').render(Context())
    hinted = re.findall(r'<link rel="modulepreload" href="/static/([^"]+)">', html)
    assert html.endswith('<script type="module" src="/static/orders/board.js"></script>')
    assert tuple(hinted) == imported_by("orders/board.js")
    assert "realtime/live_stream.js" in hinted
    assert "realtime/connection.js" in hinted  # which only live_stream.js imports
    assert len(set(hinted)) == len(hinted)


def test_a_module_that_two_scripts_of_a_page_import_is_named_once(rf):
    text = '{% load modules %}{% module "orders/home.js" %}{% module "realtime/bell/bell.js" %}'
    page = Template(text).render(Context({"request": rf.get("/")}))
    hinted = re.findall(r'<link rel="modulepreload" href="/static/([^"]+)">', page)
    assert {*imported_by("orders/home.js"), *imported_by("realtime/bell/bell.js")} == set(hinted)
    assert len(set(hinted)) == len(hinted)


def test_a_script_that_cannot_be_read_here_gets_no_hints():
    html = Template('{% load modules %}{% module "elsewhere.js" %}').render(Context())
    assert html == '<script type="module" src="/static/elsewhere.js"></script>'


def test_no_stylesheet_of_ours_imports_another(collected):
    """A browser learns of that one only when it has read the first: a round trip more."""
    sheets = [
        path for app in ("orders", "realtime", "demo") for path in collected.glob(f"{app}/**/*.css")
    ]
    assert len(sheets) > 5
    assert [path.name for path in sheets if "@import" in path.read_text()] == []


@pytest.mark.parametrize(
    "name", ["orders/board.js", "orders/order_page.js", "demo/demo.js", "realtime/bell/bell.js"]
)
def test_no_import_is_overlooked(name):
    modules = {name, *imported_by(name)}
    for module in modules:
        source = Path(finders.find(module)).read_text()
        for target in IMPORT.findall(source):
            imported = (Path("/", module).parent / target).resolve().relative_to("/")
            assert str(imported) in modules
