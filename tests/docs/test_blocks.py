"""Each code block of the docs is run by a test, or it is said why none runs it."""

import ast

import pytest
from django.contrib.auth.models import Group
from django.db import connection, connections
from django.db.backends.postgresql.base import DatabaseWrapper

import realtime
from realtime.checks import check_settings
from realtime.models import OutboxEvent
from realtime.testing import capture_events

from .recipes import ROOT, Block, blocks, pages
from .test_recipes import HOW_TOS

# What isn't code that anybody would copy: pictures of it, and what the docs are built with.
NO_CODE = {"text"}
HERE = "tests/docs/test_blocks.py"
RECIPES = "tests/docs/test_recipes.py"
# Which tests run the blocks of a page that aren't files of a how-to, by how a block begins; “”: all
# that aren't named. Without a test, why none runs them.
RUN_BY = {
    "index.md": {"": f"{HERE}::test_what_the_front_page_shows_publishes"},
    "quickstart.md": {"": f"{RECIPES}::test_the_quickstart_ends_with_a_live_page"},
    "in-the-browser.md": {
        "npm ci": "for those who work on this project: .ci/run and the tests run these commands",
        "": f"{RECIPES}::test_a_page_follows_in_a_browser_and_its_script_is_tested_without_one",
    },
    "events.md": {"CREATE FUNCTION": f"{HERE}::test_a_trigger_publishes_by_sql"},
    "operations.md": {
        "": f"{HERE}::test_the_settings_that_operations_shows_are_accepted",
    },
    "security.md": {
        "async function openStream": (
            "tests/browser/test_token_cookie.py::test_an_event_source_carries_a_token_by_its_cookie"
        ),
        "CORS_ALLOWED_ORIGINS": "settings of django-cors-headers, which isn't brought along",
    },
    "howto/django-tenants.md": {
        "": "tests/docs/test_tenants.py::test_each_tenant_is_told_what_is_its_own"
    },
    "howto/testing.md": {"": "tests/realtime/test_docs.py::test_the_tests_that_it_shows_pass"},
    "howto/wsgi.md": {
        "": f"{RECIPES}::test_pages_are_served_by_wsgi_and_streams_by_one_asgi_process"
    },
}


def run_by(page: str, block: Block) -> str | None:
    """The test that runs a block, or the reason why there is none; None: nobody has said."""
    if page in HOW_TOS and block.path is not None:
        return f"{RECIPES}::test_a_how_to_does_what_it_says"
    tests = RUN_BY.get(page, {})
    return next(
        (test for begin, test in tests.items() if begin and block.text.startswith(begin)),
        tests.get(""),
    )


def is_there(test: str) -> bool:
    path, _, name = test.partition("::")
    functions = ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
    return any(isinstance(node, ast.FunctionDef) and node.name == name for node in functions)


def test_each_block_is_run_or_it_is_said_why_not():
    for page in pages():
        for block in blocks(page):
            if block.language not in NO_CODE:
                test = run_by(page, block)
                assert test is not None, (page, block.text)
                assert "::" not in test or is_there(test), test


def test_nothing_is_said_of_blocks_that_are_gone():
    for page, tests in RUN_BY.items():
        for begin in tests:
            assert any(block.text.startswith(begin) for block in blocks(page)), (page, begin)


@pytest.mark.django_db
def test_what_the_front_page_shows_publishes(settings):
    [code] = [block.text for block in blocks("index.md") if block.language == "python"]
    assert code in (ROOT / "README.md").read_text(encoding="utf-8")
    body = ("django.template.loaders.locmem.Loader", {"body.html": "<p>{{ document.name }}</p>"})
    settings.TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": [body]},
        }
    ]
    document = Group.objects.create(name="Plan")
    with capture_events() as events:
        exec(code, {"document": document})
    [event] = events
    assert (event.topic, event.type) == (realtime.topic_of(document), "body")
    assert event.data == "<p>Plan</p>"


@pytest.mark.django_db
def test_a_trigger_publishes_by_sql():
    [function] = [block.text for block in blocks("events.md") if block.language == "sql"]
    with connection.cursor() as cursor:
        cursor.execute(function)
        cursor.execute("CREATE TABLE job (id bigint PRIMARY KEY, percent integer)")
        cursor.execute(
            "CREATE TRIGGER publish AFTER UPDATE ON job FOR EACH ROW EXECUTE FUNCTION publish_job()"
        )
        cursor.execute("INSERT INTO job VALUES (7, 0)")
        cursor.execute("UPDATE job SET percent = 10")
    event = OutboxEvent.objects.get()
    assert (event.topic, event.type, event.key) == ("jobs.job:7", "progress", "progress")
    assert event.data == '{"percent" : 10}'


def test_the_settings_that_operations_shows_are_accepted(settings, monkeypatch):
    of_realtime = [
        block.text
        for block in blocks("operations.md")
        if block.language == "python" and "REALTIME" in block.text
    ]
    assert of_realtime
    for text in of_realtime:
        said: dict = {"mine": {"ENGINE": "django.db.backends.postgresql"}}
        exec(text.replace("…", "**mine"), said)
        for alias, database in said.get("DATABASES", {}).items():
            if alias not in connections:
                wrapper = DatabaseWrapper(database, alias)
                monkeypatch.setattr(connections._connections, alias, wrapper, raising=False)
                monkeypatch.setitem(connections.settings, alias, database)
        settings.REALTIME = said["REALTIME"]
        assert check_settings() == []
