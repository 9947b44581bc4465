"""A project of somebody else uses the library by its public names: in the tree, and installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from config.settings import LOCAL_DIR

from .servers import ROOT

SECONDS = 300
pytestmark = pytest.mark.usefixtures("projects")


@pytest.fixture
def project(tmp_path) -> Path:
    """The project, where nothing of this tree is found by itself."""
    return Path(
        shutil.copytree(
            ROOT / "tests" / "foreign",
            tmp_path / "foreign",
            ignore=shutil.ignore_patterns("__pycache__", ".local"),
        )
    )


@pytest.fixture
def installed(tmp_path) -> Path:
    """A folder into which the wheel was installed; what it depends on is there already."""
    folder, dist = tmp_path / "installed", tmp_path / "dist"
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", dist]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = dist.glob("*.whl")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", folder, wheel],
        check=True,
    )
    return folder


def run_its_tests(project: Path, library: Path, *options: str, name: str) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(library),
        "POSTGRES_FOLDER": str(LOCAL_DIR / "postgres"),
        "DATABASE_NAME": f"foreign_{name}",
        "NODE_MODULES": str(ROOT / "node_modules"),
    }
    # What belongs to the run of these tests here, not to those there.
    for variable in ("DATABASE_URL", "DJANGO_SETTINGS_MODULE", "PYTEST_XDIST_WORKER"):
        environment.pop(variable, None)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
    )
    assert ran.returncode == 0, ran.stdout
    assert " passed" in ran.stdout


def test_it_works_with_the_tree(project):
    # What is installed has its fixtures by an entry point.
    run_its_tests(project, ROOT, "-p", "realtime.testing.fixtures", name="tree")


@pytest.mark.slow  # .ci/run does it always, with all that pip installs for it
def test_it_works_with_the_wheel(project, installed):
    run_its_tests(project, installed, name="wheel")
