"""The scripts: their types, and the tests of their parts by Node's own runner.

They need Node, and `npm ci` once for the types.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TYPE_CHECK = ROOT / "node_modules" / ".bin" / "tsc"
SECONDS = 120
# The first whose runner can stop the clock.
OLDEST_NODE = 20


def node_version() -> int:
    """The major one; 0 if there is none."""
    if not shutil.which("node"):
        return 0
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    return int(version.removeprefix("v").partition(".")[0])


pytestmark = [
    pytest.mark.usefixtures("processes"),
    pytest.mark.skipif(
        node_version() < OLDEST_NODE, reason=f"no Node of version {OLDEST_NODE} or newer"
    ),
]


def run(*command: str | Path) -> None:
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)
    assert process.returncode == 0, process.stdout + process.stderr


def test_the_scripts_pass_the_tests_of_node():
    run("node", "--test", *sorted(ROOT.glob("tests/javascript/*.test.js")))


@pytest.mark.skipif(not TYPE_CHECK.exists(), reason="no TypeScript: npm ci")
def test_the_types_of_the_scripts_agree():
    run(TYPE_CHECK)


@pytest.mark.skipif(not TYPE_CHECK.exists(), reason="no TypeScript: npm ci")
def test_the_declarations_for_typescript_are_those_of_the_scripts(tmp_path):
    scripts = Path("realtime", "static", "realtime")
    for config in ROOT.glob("tsconfig*.json"):
        shutil.copy(config, tmp_path)
    # Without those that are there: an import would be read from them, not from the script.
    shutil.copytree(ROOT / scripts, tmp_path / scripts, ignore=shutil.ignore_patterns("*.d.ts"))
    run(TYPE_CHECK, "-p", tmp_path / "tsconfig.declarations.json")
    assert declarations(tmp_path / scripts) == declarations(ROOT / scripts), "npm run declarations"


def declarations(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.rglob("*.d.ts")}
