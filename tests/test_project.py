"""What holds for the project as a whole."""

import subprocess
import sys

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
