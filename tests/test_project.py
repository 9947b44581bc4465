"""What holds for the project as a whole."""

import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

from .servers import ROOT


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]])
def test_it_is_written_in_one_style(processes, command):
    ruff = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True
    )
    assert ruff.returncode == 0, ruff.stdout + ruff.stderr


@pytest.mark.django_db
def test_no_migration_is_missing(capsys):
    call_command("makemigrations", check=True, dry_run=True)


def test_the_hooks_for_commits_are_well_formed(processes):
    checked = subprocess.run(
        [sys.executable, "-m", "pre_commit", "validate-config"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout


def names(path: Path) -> set[str]:
    """Of the distributions that a file of requirements asks for, in the form that PyPI uses."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {
        re.split(r"[\[=<>~!; ]", line)[0].lower().replace("_", "-")
        for line in lines
        if line and line[0] not in "#- "
    }


def pinned(path: Path) -> set[str]:
    """Distributions with their versions, wherever they are for."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {line.partition(" ;")[0] for line in lines if line and line[0] not in "# "}


LOCKS = ["requirements", "tests/requirements", "tests/requirements_all"]


@pytest.mark.parametrize("lock", LOCKS)
def test_all_that_is_required_is_pinned(lock):
    found = names(ROOT / f"{lock}.txt")
    for required in LOCKS[: LOCKS.index(lock) + 1]:
        asked_for = names(ROOT / f"{required}.in")
        assert asked_for
        assert asked_for <= found, f"The head of {lock}.in has the command."


def test_whoever_installs_more_gets_the_same_versions():
    for smaller, larger in itertools.pairwise(LOCKS):
        assert pinned(ROOT / f"{smaller}.txt") <= pinned(ROOT / f"{larger}.txt")
