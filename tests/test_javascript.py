"""The scripts: their types, and the tests of their pure parts, by Node's own runner.

They need Node 20 or newer, and `npm ci` once for the types.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TYPE_CHECK = ROOT / "node_modules" / ".bin" / "tsc"
SECONDS = 120

pytestmark = pytest.mark.skipif(
    not shutil.which("node"), reason="no `node` on the PATH: apt-get install nodejs"
)


def run(*command: str | Path) -> None:
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)
    assert process.returncode == 0, process.stdout + process.stderr


def test_the_scripts_pass_the_tests_of_node():
    run("node", "--test", "tests/javascript/")


@pytest.mark.skipif(not TYPE_CHECK.exists(), reason="no TypeScript: npm ci")
def test_the_types_of_the_scripts_agree():
    run(TYPE_CHECK)
