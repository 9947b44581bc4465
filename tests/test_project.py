"""What holds for the project as a whole."""

import ast
import subprocess
import sys

import pytest
from django.core.management import call_command

from .servers import ROOT


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]])
def test_it_is_written_in_one_style(command):
    ruff = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True
    )
    assert ruff.returncode == 0, ruff.stdout + ruff.stderr


@pytest.mark.django_db
def test_no_migration_is_missing(capsys):
    call_command("makemigrations", check=True, dry_run=True)


def imported_by(package):
    """The top-level packages that a package of this project imports."""
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield node.module.partition(".")[0]


@pytest.mark.parametrize(
    ("package", "may_not_import"), [("realtime", {"orders", "config"}), ("orders", {"config"})]
)
def test_the_arrows_between_the_rooms_run_one_way(package, may_not_import):
    imported = set(imported_by(package))
    assert "django" in imported
    assert not imported & may_not_import
