"""The tiers of the tests: a test's fixtures show what it needs, and so how fast it can be.

unit        nothing
database    PostgreSQL
process     programs of its own: servers, commands, other clusters
browser     Chromium

Two more have a command of their own in CONTRIBUTING.md, and .ci/run runs them:

projects        another project, made from the docs or with tests of its own
other_browsers  Firefox or WebKit

`versions` marks tests whose result may depend on the version of Python or Django: they use no
browser, and aren't about PostgreSQL's outages or about time.

`quick` are the first two tiers without tests that wait for seconds, such as for a database to come
back or for a deadline. They can't start a program, so that no slower test is among them by mistake.
"""

import subprocess
from collections.abc import Collection
from importlib.util import find_spec
from typing import Any

import pytest

UNIT, DATABASE, PROCESS, BROWSER = ("unit", "database", "process", "browser")
PROJECTS, OTHER_BROWSERS = ("projects", "other_browsers")
QUICK = {UNIT, DATABASE}
OF_VERSIONS = ("tests/config/", "tests/orders/", "tests/realtime/", "tests/tools/")
NOT_OF_VERSIONS = ("tests/config/test_runserver.py", "tests/realtime/postgres/test_embedded.py")


def tier_of(item: pytest.Item) -> str:
    """The tier of a test, by all fixtures that it uses directly or indirectly."""
    fixtures = _fixtures(item)
    if "projects" in fixtures:
        return PROJECTS
    if "other_browser" in fixtures:
        return OTHER_BROWSERS
    if "playwright" in fixtures:
        return BROWSER
    if "processes" in fixtures:
        return PROCESS
    if "django_db_setup" in fixtures or item.get_closest_marker("django_db"):
        return DATABASE
    return UNIT


def _fixtures(item: pytest.Item) -> Collection[str]:
    return getattr(item, "fixturenames", ())


def needs(*modules: str) -> pytest.MarkDecorator:
    """Skips a test that needs a package which README's command doesn't install."""
    missing = [module for module in modules if find_spec(module) is None]
    return pytest.mark.skipif(
        bool(missing),
        reason=f"no {', '.join(missing)}: pip install -r tests/requirements_all.txt",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by its tier. A slow test is in no tier that has a command of its own."""
    for item in items:
        tier = tier_of(item)
        is_slow = item.get_closest_marker("slow") is not None
        if not is_slow or tier not in (PROJECTS, OTHER_BROWSERS):
            item.add_marker(tier)
        if tier in QUICK and not is_slow and "takes_seconds" not in _fixtures(item):
            item.add_marker("quick")
        if tier in (UNIT, DATABASE, PROCESS) and _is_of_versions(item):
            item.add_marker("versions")


def _is_of_versions(item: pytest.Item) -> bool:
    return (
        item.nodeid.startswith(OF_VERSIONS)
        and not item.nodeid.startswith(NOT_OF_VERSIONS)
        and not item.get_closest_marker("slow")
    )


@pytest.fixture(scope="session")
def processes() -> None:
    """Allows a test to start programs, and so puts it into a tier that isn't quick."""


@pytest.fixture(scope="session")
def takes_seconds() -> None:
    """Marks a test that waits for seconds on any machine, so that it isn't quick."""


@pytest.fixture(scope="session")
def projects(processes) -> None:
    """Allows a test to make a project beside this one; all of these tests take minutes."""


@pytest.fixture(autouse=True)
def no_program_in_a_quick_test(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if tier_of(request.node) in QUICK:

        def refuse(*args: Any, **options: Any) -> None:
            pytest.fail(
                "This test starts a program, and is counted among the quick ones: let it, or the "
                "fixture that starts the program, ask for the fixture `processes`."
            )

        monkeypatch.setattr(subprocess.Popen, "__init__", refuse)
