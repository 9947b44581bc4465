"""The quickstart and the how-tos do what they say: their code blocks are run in a project."""

import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import connection
from httpx_sse import connect_sse
from playwright.sync_api import expect

from tests.browser.chromium import EXECUTABLE, chromium, playing
from tests.servers import free_port
from tests.tiers import needs

from .recipes import ROOT, Project, blocks

pytestmark = [
    pytest.mark.usefixtures("projects"),
    needs("allauth", "celery", "gunicorn", "ninja"),
]

PAGE_SECONDS = 15
# tests/docs/test_tenants.py has a project of its own, tests/realtime/test_docs.py runs its tests,
# and below are the servers of wsgi.md. See test_blocks.py for what else is run.
HOW_TOS = [
    "bell.md",
    "events.md",
    "operations.md",
    "streams.md",
    *sorted(
        f"howto/{path.name}"
        for path in (ROOT / "docs/howto").glob("*.md")
        if path.name not in ("django-tenants.md", "testing.md", "wsgi.md")
    ),
]


@contextmanager
def existing_project(folder: Path, blocker: Any, library: Path = ROOT) -> Iterator[Project]:
    """The project before it has heard of this library, with a database of its own.

    Alice has a document.
    """
    with blocker.unblock(), empty_database() as name:
        project = Project(folder / "mysite", name, library)
        project.run("python manage.py migrate -v 0")
        project.shell(
            "from django.contrib.auth import get_user_model\n"
            "from documents.models import Document\n"
            "alice = get_user_model().objects.create_user('alice', password='alice')\n"
            "Document.objects.create(owner=alice, title='Plan', body='First draft')\n"
        )
        yield project


@contextmanager
def empty_database() -> Iterator[str]:
    """A database beside that of the tests."""
    name = f"{connection.settings_dict['NAME']}_{secrets.token_hex(4)}"
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}"')
    try:
        yield name
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def existing(django_db_setup, django_db_blocker, tmp_path) -> Iterator[Project]:
    with existing_project(tmp_path, django_db_blocker) as project:
        yield project


@pytest.fixture(scope="module")
def adopted(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[Project]:
    """The project after the quickstart, to which each how-to adds its own."""
    folder = tmp_path_factory.mktemp("adopted")
    with existing_project(folder, django_db_blocker) as project:
        for block in blocks("quickstart.md"):
            if block.path is not None:
                project.write(block)
        project.run("python manage.py migrate -v 0 realtime")
        yield project


@contextmanager
def serving(project: Project, command: str, port: str = "") -> Iterator[str]:
    """The address of a server started by a command of the docs.

    port: which the command names; a free one takes its place.
    """
    free = str(free_port())
    command = command.replace(port, free) if port else f"{command} --port {free}"
    process = subprocess.Popen(
        f"exec {command}", shell=True, cwd=project.folder, env=project.environment
    )
    url = f"http://127.0.0.1:{free}"
    try:
        with httpx.Client(transport=httpx.HTTPTransport(retries=10)) as client:
            client.get(url)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def sign_in(project: Project) -> dict[str, str]:
    """The cookies of Alice's session."""
    key = project.shell(
        "from django.contrib.auth import get_user_model\n"
        "from django.test import Client\n"
        "client = Client()\n"
        "client.force_login(get_user_model().objects.get(username='alice'))\n"
        "print(client.session.session_key)\n"
    )
    return {"sessionid": key.strip()}


def test_the_quickstart_ends_with_a_live_page(existing):
    steps = blocks("quickstart.md")
    [install] = [step for step in steps if step.text.startswith("pip install")]
    [serve] = [step for step in steps if "runserver" in step.text and step.language == "sh"]
    [write] = [step for step in steps if "manage.py shell" in step.text]
    assert install.text.split()[2:] == ["django-postgres-realtime", "daphne"]
    for step in steps:
        if step.path is not None:
            existing.write(step)
        elif step.language == "sh" and step not in (install, serve, write):
            existing.run(step.text)
    cookies = sign_in(existing)
    with (
        serving(existing, f"{serve.text.strip()} --noreload PORT", "PORT") as url,
        httpx.Client(base_url=url, cookies=cookies, timeout=PAGE_SECONDS) as client,
    ):
        page = client.get("/documents/1/now/").text
        assert "First draft" in page
        cursor = page.partition('data-live-cursor="')[2].partition('"')[0]
        address = page.partition('data-live-url="')[2].partition('"')[0]
        expect_scripts(client)
        stranger = httpx.get(f"{url}/documents/1/now/", timeout=PAGE_SECONDS)
        assert stranger.status_code == 302
        assert "login" in stranger.headers["Location"]
        existing.run(write.text)  # before the stream is open
        with connect_sse(client, "GET", address, headers={"Last-Event-ID": cursor}) as source:
            events = (event for event in source.iter_sse() if event.data)
            assert "Hello, live" in next(events).data
            existing.run(write.text.replace("Hello, live", "Hello again"))
            assert "Hello again" in next(events).data
        assert "Hello again" in client.get("/documents/1/now/").text


def expect_scripts(client: httpx.Client) -> None:
    """The page's script, and what it imports, are there: without them it isn't live."""
    script = client.get("/static/documents/live.js")
    assert script.status_code == 200
    assert "LiveStream.from" in script.text
    assert client.get("/static/realtime/live_stream.js").status_code == 200


# What is looked at when the files of a how-to are there.
AFTERWARDS = {
    "events.md": """
from django.test import RequestFactory
from django.contrib.auth import get_user_model
from documents.models import Document
from documents.pages import documents_page
from documents.progress import tell_progress
from documents.renaming import rename
from documents.sharing import share
rename(Document.objects.earliest("pk"), "Plan")
share(Document.objects.earliest("pk"), get_user_model().objects.all())
tell_progress(Document.objects.earliest("pk"), 99, 100)
""",
    "operations.md": """
import io, json, logging
[handler] = logging.getLogger().handlers
handler.setStream(io.StringIO())
logging.getLogger("realtime.streams").info("opened")
assert json.loads(handler.stream.getvalue())["message"] == "opened"
""",
    "streams.md": """
from django.core.exceptions import PermissionDenied
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from documents.models import Document
from documents.news_streams import NewsStream
from documents.team_streams import DocumentStream
import realtime
request = RequestFactory().get("/")
request.user = AnonymousUser()
assert NewsStream().topics(request) == [realtime.PUBLIC]
try:
    DocumentStream().topics(request, pk=1)
except PermissionDenied:
    pass
else:
    raise AssertionError
document = Document.objects.earliest("pk")
request.user = document.owner
assert DocumentStream().topics(request, pk=document.pk) == [document, document.owner]
from documents.limits import at_most
opened = at_most(2, 60)(lambda request: "opened")
assert [opened(request), opened(request)] == ["opened"] * 2
assert opened(request).status_code == 429
request._realtime_asks_again = True
assert opened(request) == "opened"
del request._realtime_asks_again
from unittest import mock
from django.core.cache import cache
with mock.patch.object(cache, "add", wraps=cache.add) as add:
    # The key expires between the two calls of the cache.
    add.side_effect = lambda key, *rest: cache.delete(key) if add.call_count == 1 else mock.DEFAULT
    assert opened(request) == "opened"
assert opened(request) == "opened"
assert opened(request).status_code == 429
""",
    "howto/htmx.md": """
from documents.comments import publish_comment
from documents.models import Document
publish_comment(Document.objects.earliest("pk").comments.create(text="Well said"))
""",
    "howto/turbo.md": """
from documents.turbo_comments import publish_comment
from documents.models import Document
publish_comment(Document.objects.earliest("pk").comments.create(text="Well said"))
""",
    "howto/datastar.md": """
from documents.datastar_comments import publish_comment
from documents.models import Document
publish_comment(Document.objects.earliest("pk").comments.create(text="Well said"))
""",
    "howto/rest-framework.md": """
from documents.api import DocumentViewSet
from documents.api_views import documents
from documents.tokens import drf_token
from documents.models import Document
from rest_framework.test import APIRequestFactory, force_authenticate
alice = Document.objects.earliest("pk").owner
request = APIRequestFactory().post("/", {"title": "Another", "body": "Well said"})
force_authenticate(request, alice)
response = DocumentViewSet.as_view({"post": "create"})(request)
assert response.status_code == 201, response.data
request = APIRequestFactory().get("/")
force_authenticate(request, alice)
found = documents(request).data
assert len(found["documents"]) >= 2 and found["cursor"] != "0", found
assert drf_token(APIRequestFactory().get("/")) is None
""",
    "howto/background-jobs.md": """
from documents.job_streams import ImportStream
from documents.jobs import import_rows
from documents.models import Document
from celery import Celery
from django.db import transaction
from celery.contrib.testing.worker import start_worker
app = Celery(broker="memory://", backend="cache+memory://", set_as_current=True)
app.conf.broker_connection_retry_on_startup = False
from documents.tasks import import_file
alice = Document.objects.earliest("pk").owner
with start_worker(app, perform_ping_check=False, pool="solo"):
    with transaction.atomic():
        import_file.delay_on_commit(alice.pk, ["Well said"] * 100)
    import_file.delay(alice.pk, []).get(timeout=60)  # after the first: there is one worker
""",
    "howto/pgbouncer.md": "",
    "howto/publishing.md": """
import asyncio
from django.core.management import call_command
from django.db import connection
from documents.adding import add_documents
from documents.models import Document
from documents.saying import say
import realtime
from realtime.models import Event

def told(topic, *types):
    realtime.current_cursor()
    found = Event.objects.filter(topic=realtime.topic_of(topic), type__in=types)
    return [(event.type, event.data) for event in found.order_by("position")]

call_command("migrate", verbosity=0)
call_command("say", "Hello")
news = [("news", '{"text":"Pages are live."}'), ("news", '{"text":"Hello"}')]
assert told(realtime.PUBLIC, "news") == news, told(realtime.PUBLIC, "news")
document = Document.objects.earliest("pk")
assert told(document, "live"), "a data migration tells of the rows that there are"
title = document.title
Document.objects.filter(pk=document.pk).update(title="By SQL")
assert [data for _, data in told(document, "title")] == ['{"title" : "By SQL"}']
document.title = title
document.save()
assert len(told(document, "title")) == 2
assert len(add_documents(document.owner, ["One", "Two"])) == 2
added = [("added", '{"added":"One"}'), ("added", '{"added":"Two"}')]
assert told(document.owner, "added") == added
asyncio.run(say(document.owner, "Said by a coroutine"))
assert told(document.owner, "said") == [("said", "Said by a coroutine")]
realtime.publish(to=Document.objects.none(), data={})
for nobody in (Document(), "document", Document.objects):
    try:
        realtime.publish(to=nobody, data={})
    except realtime.InvalidEvent:
        continue
    raise AssertionError(nobody)

# A fresh database has all of it after one `migrate`.
name = connection.settings_dict["NAME"]
with connection.cursor() as cursor:
    cursor.execute(f'CREATE DATABASE "{name}_fresh"')
connection.close()
connection.settings_dict["NAME"] = f"{name}_fresh"
try:
    call_command("migrate", verbosity=0)
    assert told(realtime.PUBLIC, "news") == news[:1]
finally:
    connection.close()
    connection.settings_dict["NAME"] = name
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{name}_fresh" WITH (FORCE)')
""",
    "howto/team-pages.md": """
from django.contrib.auth import get_user_model
from django.core.management import call_command
from documents.models import Document, Team
import realtime
from realtime.testing import open_stream_sync
call_command("makemigrations", "documents", verbosity=0)
call_command("migrate", verbosity=0)
document = Document.objects.earliest("pk")
bob = get_user_model().objects.create_user("bob")
path = f"/teams/documents/{document.pk}/live"

def refused(user):
    try:
        with open_stream_sync(path, user):
            return None
    except AssertionError as error:
        return str(error)

assert "401" in refused(None), refused(None)
assert "404" in refused(bob), refused(bob)
team = Team.objects.create(name="Editors")
team.documents.add(document)
team.members.add(bob)
with open_stream_sync(path, bob) as stream:
    realtime.publish(to=document, type="changed", data={"title": document.title})
    assert stream.next_event().type == "changed"
    team.members.remove(bob)
    stream.ends()
    realtime.publish(to=document, type="changed", data={"title": "Not for Bob"})
assert "404" in refused(bob), refused(bob)
""",
    "bell.md": """
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.http import Http404
from django.test import Client, RequestFactory
from documents.models import Document
from documents.kept_pages import document as document_page
from documents.telling import delete_document, tell_of_sharing
call_command("migrate", verbosity=0)
document = Document.objects.create(
    owner=Document.objects.earliest("pk").owner, title="Budget", body="All of it"
)
client = Client()
client.force_login(document.owner)
readers = get_user_model().objects.all()
tell_of_sharing(document, readers, document.owner)
page = client.get("/notifications/").content.decode()
assert "Budget" in page and "alice shared it with you." in page, page
request = RequestFactory().get("/")
request.user = document.owner
assert document_page(request, pk=document.pk).status_code == 200
request.user = get_user_model().objects.create_user("carol")
try:
    document_page(request, pk=document.pk)
except Http404:
    pass
else:
    raise AssertionError
request.user.delete()
delete_document(document, readers)
assert "Budget" not in client.get("/notifications/").content.decode()
""",
    "howto/ninja.md": """
import json
from documents.models import Document
from documents.ninja_keys import api_key
from django.test import Client, RequestFactory
alice = Document.objects.earliest("pk").owner
client = Client()
client.force_login(alice)
body = json.dumps({"title": "By Ninja", "body": "First"})
made = client.post("/ninja/documents/", body, content_type="application/json")
assert made.status_code == 200, made.content
body = json.dumps({"title": "By Ninja", "body": "Said by Ninja"})
path = f"/ninja/documents/{made.json()['id']}/"
assert client.put(path, body, content_type="application/json").json()["body"] == "Said by Ninja"
found = client.get("/ninja/documents/").json()
assert found["cursor"] != "0" and "By Ninja" in str(found["documents"]), found
key = "a key that nobody guesses"
assert api_key(RequestFactory().get("/", headers={"X-API-Key": key})) == alice
assert api_key(RequestFactory().get("/")) is None
""",
    "howto/allauth.md": """
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.test import RequestFactory
from allauth.account.models import EmailAddress
from allauth.account.signals import email_removed
from documents import confirmed_signals
from documents.confirmed import ConfirmedStream
from documents.models import Document
call_command("migrate", verbosity=0)
request = RequestFactory().get("/")
request.user = Document.objects.earliest("pk").owner
try:
    ConfirmedStream().topics(request)
except PermissionDenied:
    pass
else:
    raise AssertionError
address = EmailAddress.objects.create(user=request.user, email="alice@example.com", verified=True)
assert ConfirmedStream().topics(request) == [request.user]
assert confirmed_signals.ask_again in [r[1]() for r in email_removed.receivers]
""",
}
EVENT_HOLDS = {
    "bell.md": '"by":"alice"',
    "events.md": '{"done":99,"total":100}',
    "howto/background-jobs.md": '"rows":100',
    **dict.fromkeys(["howto/htmx.md", "howto/turbo.md", "howto/datastar.md"], "Well said"),
    "howto/rest-framework.md": "Well said",
    "howto/ninja.md": "Said by Ninja",
}


def test_each_how_to_is_run():
    assert set(AFTERWARDS) == set(HOW_TOS)


@pytest.mark.parametrize("name", HOW_TOS)
def test_a_how_to_does_what_it_says(adopted, name):
    page = [block for block in blocks(name) if block.path is not None]
    assert page
    for block in page:
        adopted.write(block)
    adopted.run("python manage.py check")
    adopted.shell(AFTERWARDS[name])
    for block in page:
        if block.path.endswith(".html"):
            render(adopted, block.path.partition("/templates/")[2])
        elif block.path.endswith(".js") and shutil.which("node"):
            adopted.run(f"node --check --input-type=module < {block.path}")
    if name in EVENT_HOLDS:
        assert EVENT_HOLDS[name] in published(adopted)


FOLLOWED = """
from django.contrib.auth.decorators import login_required
from django.shortcuts import get_object_or_404, render
from documents.models import Document
import realtime

@login_required
def followed(request, pk):
    cursor = realtime.current_cursor()
    document = get_object_or_404(Document, pk=pk, owner=request.user)
    return render(request, "documents/followed.html", {"document": document, "cursor": cursor})

urlpatterns += [path("documents/<int:pk>/followed/", followed)]
"""
SCRIPTS = """
from django.core.management import call_command
from django.template.loader import render_to_string
call_command({collect!r}, interactive=False, verbosity=0)
html = render_to_string("documents/script.html")
for name in ("documents/follow.js", "realtime/live_stream.js", "realtime/connection.js"):
    assert f'<link rel="modulepreload" href="/static/{{name}}">' in html, html
"""


@pytest.mark.skipif(
    not EXECUTABLE or not shutil.which("node"), reason="no `chromium`, or no `node`"
)
def test_a_page_follows_in_a_browser_and_its_script_is_tested_without_one(adopted):
    page = blocks("in-the-browser.md")
    for block in page:
        if block.path is not None:
            adopted.write(block)
    [commands] = [block.text for block in page if block.text.startswith("python manage.py collect")]
    collect, test_scripts = commands.strip().split("\n")
    adopted.add("mysite/urls.py", FOLLOWED)
    adopted.add("mysite/settings.py", "STATIC_ROOT = BASE_DIR / 'static'\n")
    adopted.shell(SCRIPTS.format(collect=collect.split()[2]))
    assert "pass 2" in adopted.run(test_scripts)
    [(name, value)] = sign_in(adopted).items()
    with (
        serving(adopted, "python manage.py runserver --noreload PORT", "PORT") as url,
        playing() as playwright,
        chromium(playwright) as browser,
    ):
        tab = browser.new_page()
        tab.context.add_cookies([{"name": name, "value": value, "url": url}])
        tab.goto(f"{url}/documents/1/followed/")
        article = tab.locator("article")
        expect(article).to_have_attribute("data-state", "live", timeout=PAGE_SECONDS * 1000)
        adopted.shell(
            "from documents.models import *\nwrite(Document.objects.get(pk=1), 'Seen in a browser')"
        )
        expect(article).to_have_text("Seen in a browser", timeout=PAGE_SECONDS * 1000)


def test_pages_are_served_by_wsgi_and_streams_by_one_asgi_process(existing):
    for block in blocks("quickstart.md"):
        if block.path is not None:
            existing.write(block)
    existing.run("python manage.py migrate -v 0 realtime")
    by_wsgi, by_asgi = (
        block.text.strip() for block in blocks("howto/wsgi.md") if block.language == "sh"
    )
    write = "from documents.models import *\nwrite(Document.objects.earliest('pk'), {!r})\n"
    existing.shell(write.format("Before any stream"))
    cookies = sign_in(existing)
    with (
        serving(existing, by_wsgi, "8000") as pages,
        httpx.Client(cookies=cookies, timeout=PAGE_SECONDS) as client,
    ):
        page = client.get(f"{pages}/documents/1/now/").text
        assert "Before any stream" in page
        cursor = page.partition('data-live-cursor="')[2].partition('"')[0]
        address = page.partition('data-live-url="')[2].partition('"')[0]
        refused = client.get(pages + address)
        assert refused.status_code == 501
        assert "asgi.py" in refused.text
        existing.shell(write.format("While the page was opened"))
        with (
            serving(existing, by_asgi, "8001") as streams,
            connect_sse(
                client, "GET", streams + address, headers={"Last-Event-ID": cursor}
            ) as source,
        ):
            events = (event for event in source.iter_sse() if event.data)
            assert "While the page was opened" in next(events).data


def render(project: Project, template: str) -> None:
    project.shell(
        "import realtime\n"
        "from django.template.loader import render_to_string\n"
        "from documents.models import Document\n"
        "document = Document.objects.earliest('pk')\n"
        "comments = document.comments.all()\n"
        f"text = render_to_string({template!r}, {{'document': document, 'comments': comments,\n"
        "    'comment': comments.first(), 'cursor': realtime.current_cursor()})\n"
        "assert text.strip()\n"
    )


def published(project: Project) -> str:
    """All that the log holds."""
    return project.shell(
        "import realtime\n"
        "from realtime.models import Event\n"
        "realtime.current_cursor()\n"
        "print(*Event.objects.values_list('data', flat=True), sep='\\n')\n"
    )
