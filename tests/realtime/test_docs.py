"""The Python of docs/howto/testing.md is run."""

import inspect
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from asgiref.sync import async_to_sync
from django.urls import include, path

from realtime import EventStreamView
from realtime.testing import capture_events

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "testing.md"


@pytest.fixture
def tests(settings, monkeypatch):
    """What the page defines; its `/live` is one of the site's URLs."""
    module = ModuleType("testing_page")
    monkeypatch.setitem(sys.modules, "testing_page", module)
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(compile(block, PAGE, "exec"), vars(module))
    module.urlpatterns = [
        path("live", EventStreamView.as_view()),
        path("", include("config.urls")),
    ]
    settings.ROOT_URLCONF = "testing_page"
    return [value for name, value in vars(module).items() if name.startswith("test_")]


def test_the_tests_that_it_shows_pass(tests, transactional_db, alice):
    assert len(tests) == 4
    for test in tests:
        available = {"alice": alice, "published": capture_events}
        wanted = {name: available[name] for name in inspect.signature(test).parameters}
        (async_to_sync(test) if inspect.iscoroutinefunction(test) else test)(**wanted)
