"""The quickstart, word for word, in somebody else's project, with what pip installs: timed.

The project is tests/foreign as it was before it had `realtime`, with an app as the quickstart has
it: users with UUIDs, `ATOMIC_REQUESTS`, a connection pool, addresses below a language.
"""

import os
import shutil
import subprocess
import sys
import time

import httpx
import pytest
from httpx_sse import connect_sse
from psycopg.conninfo import conninfo_to_dict

from tests.servers import ROOT, database_url

from .recipes import Project, blocks
from .test_recipes import empty_database, expect_scripts, serving

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("projects")]

# “A live page in ten minutes” is for somebody who reads; this is what the machine takes of it.
MOST_SECONDS = 240
NAME = "django-postgres-realtime"


class ForeignProject(Project):
    """With names of its own, as the quickstart asks for; its programs are those of a venv."""

    def __init__(self, folder, venv, database):
        self.folder = folder
        parts = conninfo_to_dict(database_url(dbname=database))
        names = {"dbname": "PGDATABASE", "user": "PGUSER", "host": "PGHOST", "port": "PGPORT"}
        self.environment = {
            "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "DJANGO_SETTINGS_MODULE": "website.settings",
            **{names[name]: str(value) for name, value in parts.items() if name in names},
        }
        shutil.copytree(ROOT / "tests/foreign/people", folder / "people")
        shutil.copytree(ROOT / "tests/foreign/website", folder / "website")
        shutil.copytree(ROOT / "tests/docs/documents", folder / "documents")
        shutil.copy(ROOT / "tests/foreign/manage.py", folder)
        self._take_out("asgi.py", "from realtime.asgi import outlive_request\n", "")
        self._take_out(
            "asgi.py", "outlive_request(get_asgi_application())", "get_asgi_application()"
        )
        self._take_out("urls.py", '        path("", include("workspace.urls")),\n', "")
        # As in a project that leaves static files to `runserver`.
        self._take_out("urls.py", "    *staticfiles_urlpatterns(),\n", "")
        bell = '        path("notifications/", include("realtime.bell.urls")),\n'
        self._take_out("urls.py", bell, "")
        apps = '    "workspace",\n    "realtime",\n    "realtime.bell",\n'
        self._take_out("settings.py", apps, '    "documents",\n')
        # As in a project that had no ASGI server.
        self._take_out("settings.py", 'ASGI_APPLICATION = "website.asgi.application"\n', "")
        settings = (folder / "website/settings.py").read_text()
        begin, end = settings.index("DATABASES = {"), settings.index("# DEFAULT_AUTO_FIELD")
        settings = settings[:begin] + DATABASES + settings[end:]
        settings = settings[: settings.index("# The libraries of the browser")]
        assert "realtime" not in settings
        (folder / "website/settings.py").write_text(settings)

    def _take_out(self, name, old, new):
        path = self.folder / "website" / name
        text = path.read_text()
        assert old in text, old
        path.write_text(text.replace(old, new))

    def run(self, command, **environment):
        return super().run(command.replace("mysite", "website"), **environment)

    def write(self, block):
        path, text = (part.replace("mysite", "website") for part in (block.path, block.text))
        super().write(block._replace(path=path, text=text))

    def shell(self, program):
        (self.folder / "program.py").write_text(f"import django\n\ndjango.setup()\n{program}")
        return self.run("python program.py")


DATABASES = """DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["PGDATABASE"],
        "USER": os.environ["PGUSER"],
        "HOST": os.environ["PGHOST"],
        "PORT": os.environ.get("PGPORT", ""),
        "ATOMIC_REQUESTS": True,
        "OPTIONS": {"pool": True},
    }
}
"""
ALICE = """
from django.contrib.auth import get_user_model
from django.test import Client
from documents.models import Document
alice = get_user_model().objects.create_user("alice@example.com", "alice")
Document.objects.create(owner=alice, title="Plan", body="First draft")
client = Client()
client.force_login(alice)
print(client.session.session_key)
"""


@pytest.fixture
def venv(tmp_path):
    """What the project had installed before: Django, a driver with a pool."""
    folder = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    had = ["django~=5.2.0", "psycopg[binary,pool]"]
    subprocess.run([folder / "bin/pip", "install", "-q", *had], check=True)
    return folder


@pytest.fixture
def wheel(tmp_path):
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", tmp_path]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [path] = tmp_path.glob("*.whl")
    return path


def test_the_quickstart_in_somebody_elses_project(
    django_db_setup, django_db_blocker, tmp_path, venv, wheel, record_property
):
    folder = tmp_path / "project"
    folder.mkdir()
    with django_db_blocker.unblock(), empty_database() as name:
        project = ForeignProject(folder, venv, name)
        project.run("python manage.py migrate -v 0")
        session = project.shell(ALICE).strip()
        steps = blocks("quickstart.md")
        [serve] = [step for step in steps if "runserver" in step.text and step.language == "sh"]
        [write] = [step for step in steps if "manage.py shell" in step.text]

        began = time.monotonic()
        for step in steps:
            if step.path is not None:
                project.write(step)
            elif step.language == "sh" and step not in (serve, write):
                # Not from PyPI, but what would be uploaded there.
                project.run(step.text.replace(NAME, str(wheel)))
        with (
            serving(project, f"{serve.text.strip()} --noreload PORT", "PORT") as url,
            httpx.Client(base_url=url, cookies={"sessionid": session}, timeout=30) as client,
        ):
            page = client.get("/documents/1/now/").text
            assert "First draft" in page
            expect_scripts(client)
            cursor = page.partition('data-live-cursor="')[2].partition('"')[0]
            address = page.partition('data-live-url="')[2].partition('"')[0]
            project.run(write.text)
            with connect_sse(client, "GET", address, headers={"Last-Event-ID": cursor}) as source:
                events = (event for event in source.iter_sse() if event.data)
                assert "Hello, live" in next(events).data
        seconds = time.monotonic() - began
    record_property("seconds", seconds)
    print(f"from pip install to the first live event: {seconds:.0f} s")
    assert seconds < MOST_SECONDS
