"""The rooms of the project: imports lead down only. `lint-imports` checks it, by pyproject.toml."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.usefixtures("processes")
CHECKED = ["config", "orders", "realtime", "tools"]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def copy(tmp_path) -> Path:
    """The project's code, to be broken."""
    for name in CHECKED:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.pyc"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def add(module: Path, text: str) -> None:
    module.write_text(f"{module.read_text()}\n{text}\n")


def test_imports_lead_down():
    checked = lint_imports(ROOT)
    assert checked.returncode == 0, checked.stdout


def test_an_import_that_leads_up_is_found(copy):
    add(copy / "realtime/log/wire.py", "from ..hub import hub")
    checked = lint_imports(copy)
    assert checked.returncode == 1
    assert "realtime.log is not allowed to import realtime.hub" in checked.stdout


def test_the_library_that_knows_the_shop_is_found(copy):
    add(copy / "realtime/views.py", "from orders import models")
    assert "realtime is not allowed to import orders" in lint_imports(copy).stdout


def test_a_circle_that_hides_from_the_interpreter_is_found(copy):
    add(
        copy / "realtime/log/wire.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .event_log import EventLog",
    )
    assert "No cycles are allowed in realtime.log" in lint_imports(copy).stdout


def test_a_shop_that_looks_inside_the_library_is_found(copy):
    add(copy / "orders/views.py", "from realtime.hub.hub import Hub")
    assert "orders is not allowed to import realtime.hub" in lint_imports(copy).stdout
