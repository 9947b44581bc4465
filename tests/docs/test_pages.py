"""The docs can be built without a warning, and no link leads nowhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import ROOT

PAGES = sorted(
    path.relative_to(ROOT)
    for folder in (ROOT, ROOT / "docs", ROOT / "benchmarks", ROOT / "deploy")
    for path in (folder.glob("*.md") if folder == ROOT else folder.rglob("*.md"))
    if "_build" not in path.parts
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """As GitHub and MyST make them of headings."""
    headings = HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_no_link_leads_nowhere(page):
    lost = []
    for link in LINK.findall((ROOT / page).read_text(encoding="utf-8")):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert not lost


def test_the_site_is_built_without_a_warning(processes, tmp_path):
    options = ["-q", "-W", "--keep-going", "-b", "html"]
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, "docs", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    for link in LINK.findall((tmp_path / "llms.txt").read_text(encoding="utf-8")):
        assert (tmp_path / link).exists(), link


def test_each_check_is_in_the_docs():
    identifier = r"realtime(?:\.bell)?\.[EW]\d{3}"
    said = set()
    for path in (ROOT / "realtime").rglob("*.py"):
        said.update(re.findall(f'"({identifier})"', path.read_text(encoding="utf-8")))
    page = (ROOT / "docs/reference/checks.md").read_text(encoding="utf-8")
    assert said
    assert said == set(re.findall(f"`({identifier})`", page))


def test_each_module_of_the_library_is_on_the_map():
    on_the_map = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rooms = ["", "bell", "serving", "hub", "access", "log", "postgres"]
    modules = {
        path.stem
        for room in rooms
        for path in (ROOT / "realtime" / room).glob("*.py")
        if path.stem not in ("__init__", "apps", "urls")
    }
    assert "recent_events" in modules
    assert not {name for name in modules if f"`{name}`" not in on_the_map}
