"""What `pip install django-postgres-realtime` brings: the library, all of it and nothing else."""

import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from zipfile import ZipFile

import django
import pytest
from django.core.exceptions import ImproperlyConfigured

import realtime
from realtime import installation

from .servers import ROOT

pytestmark = pytest.mark.usefixtures("processes")
NAME = "django_postgres_realtime"


def run(*command: str | Path, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, **options
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The folder with what is built from this tree: the sources, and from them a wheel."""
    folder = tmp_path_factory.mktemp("dist")
    build = run("-m", "build", "--no-isolation", "--outdir", folder, cwd=ROOT)
    assert build.returncode == 0, build.stdout + build.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built) -> Path:
    [path] = built.glob("*.whl")
    return path


def tracked(folder: str) -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(listed.stdout.split())


def test_the_wheel_has_the_library_and_nothing_else(wheel):
    files = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert files == tracked("realtime")
    assert {"realtime/py.typed", "realtime/static/realtime/live_stream.js"} < files
    assert any(name.endswith(".sql") for name in files)


def test_version_and_name_are_said_in_one_place_each(built, wheel):
    assert wheel.name == f"{NAME}-{realtime.__version__}-py3-none-any.whl"
    assert NAME.replace("_", "-") == installation.DISTRIBUTION
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=" + ".".join(map(str, installation.OLDEST_PYTHON))
    assert f"django>={'.'.join(map(str, installation.OLDEST_DJANGO))}" in project["dependencies"]


def test_the_source_distribution_has_what_the_wheel_is_built_from(built):
    [path] = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "realtime/py.typed"} < names
    assert not [name for name in names if name.startswith(("orders", "config", "tests"))]


def test_it_can_be_uploaded(built, wheel):
    checked = run("-m", "twine", "check", "--strict", *built.iterdir())
    assert checked.returncode == 0, checked.stdout
    contents = run("-m", "check_wheel_contents", wheel, cwd=ROOT)
    assert contents.returncode == 0, contents.stdout + contents.stderr


# What refuses to start ------------------------------------------------------------------------


def test_an_old_django_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(django, "VERSION", (4, 2, 30, "final", 0))
    monkeypatch.setattr(django, "__version__", "4.2.30")
    with pytest.raises(ImproperlyConfigured, match=r"needs Django 5\.2 or newer.*is Django 4\.2"):
        installation.refuse_unsupported()


def test_an_old_python_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 13, "final", 0))
    with pytest.raises(ImproperlyConfigured, match=r"needs Python 3\.11 or newer.*Python 3\.10"):
        installation.refuse_unsupported()


@pytest.mark.parametrize("missing", ["psycopg", "psycopg_pool"])
def test_without_psycopg_3_it_says_what_to_install(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)  # as if it weren't installed
    with pytest.raises(ImproperlyConfigured, match="pip install 'psycopg"):
        installation.refuse_unsupported()


def test_an_app_that_is_installed_asks_before_it_imports_anything_else(tmp_path):
    """In a process of its own: what is refused must be told before anything fails strangely."""
    program = (
        "import django\n"
        "django.VERSION, django.__version__ = (4, 2, 30, 'final', 0), '4.2.30'\n"
        "from django.conf import settings\n"
        "settings.configure(INSTALLED_APPS=['realtime'])\n"
        "django.setup()\n"
    )
    started = run("-c", program, cwd=ROOT)
    assert "realtime needs Django 5.2 or newer, and this is Django 4.2.30." in started.stderr


# PyPI's `realtime` is a client for Supabase -----------------------------------------------------


@pytest.fixture
def supabase(tmp_path, monkeypatch) -> Path:
    """A folder with a distribution `realtime` that installs a top-level package of that name."""
    metadata = tmp_path / "realtime-2.34.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: realtime\nVersion: 2.34.1\n")
    (metadata / "RECORD").write_text("realtime/__init__.py,,\n")
    (tmp_path / "realtime").mkdir()
    (tmp_path / "realtime" / "__init__.py").write_text('__all__ = ["AsyncRealtimeClient"]\n')
    return tmp_path


def test_another_distribution_of_the_same_name_is_an_error_of_the_check(supabase, monkeypatch):
    assert installation.check_distributions() == []
    monkeypatch.syspath_prepend(supabase)
    [error] = installation.check_distributions()
    assert error.id == "realtime.E020"
    assert "a package 'realtime' too: realtime." in error.msg
    assert "pip uninstall realtime" in error.hint


def test_files_that_another_distribution_has_overwritten_are_told_at_the_start(supabase, wheel):
    """Both install into one folder, and whichever comes last wins."""
    with ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name != "realtime/__init__.py":
                archive.extract(name, supabase)
    program = (
        "import django\n"
        "from django.conf import settings\n"
        "settings.configure(INSTALLED_APPS=['realtime'])\n"
        "django.setup()\n"
    )
    started = run("-c", program, cwd=supabase)
    assert "Another distribution has overwritten files of the package 'realtime'" in started.stderr
    assert "pip uninstall realtime; pip install --force-reinstall" in started.stderr
