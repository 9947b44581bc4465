"""The library and the shop are typed strictly, and every exception says why."""

import re
import subprocess
import sys

import pytest

from .servers import ROOT


def mypy(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mypy", *arguments], cwd=ROOT, capture_output=True, text=True
    )


def test_the_types_of_library_and_shop_are_right(processes):
    checked = mypy()
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("folder", ["realtime", "orders"])
def test_each_ignored_error_is_named_and_explained(folder):
    ignores = [
        (path.relative_to(ROOT), line)
        for path in (ROOT / folder).rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "type: ignore" in line
    ]
    unexplained = [
        f"{path}: {line.strip()}"
        for path, line in ignores
        if not re.search(r"# type: ignore\[[\w, -]+\]  # \w+", line)
    ]
    assert not unexplained
