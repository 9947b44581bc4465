"""Version N serves while N+1 migrates and comes up beside it, and back: nothing is lost."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from tests.deploy.load import Follower
from tests.docs.recipes import Project, blocks
from tests.docs.test_recipes import existing_project, serving, sign_in
from tests.servers import database_url
from tests.waiting import wait_until

from .versions import newest_tag, two_versions

pytestmark = pytest.mark.usefixtures("processes")

SERVE = "uvicorn mysite.asgi:application --no-access-log"
SECONDS = 60
# Publishes numbers as long as its input is open, and says each when it is committed.
WRITE = """
import sys, threading, django
django.setup()
import realtime
from documents.models import Document
document, number, over = Document.objects.get(), 0, threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
while not over.wait(0.01):
    number += 1
    realtime.publish(to=document, type="n", data={"n": [sys.argv[1], number]})
    print(number, flush=True)
"""
OBJECTS = """
    SELECT 'relation', relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'function', oid::regprocedure::text FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'type', typname::text FROM pg_type WHERE typnamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'trigger', tgname::text FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT 'constraint', conname::text FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
"""


@pytest.fixture
def versions(tmp_path):
    return two_versions(tmp_path)


@pytest.fixture
def old(versions, tmp_path, django_db_setup, django_db_blocker) -> Iterator[Project]:
    """A project that has followed the quickstart, with the version that is out there."""
    with existing_project(tmp_path, django_db_blocker, versions.old) as project:
        project.objects_before = objects(project)
        for block in blocks("quickstart.md"):
            if block.path is not None:
                project.write(block)
        project.add("mysite/settings.py", "REALTIME = {'DRAIN_SECONDS': 1.0}\n")
        project.run("python manage.py migrate -v 0 realtime")
        yield project


@pytest.fixture
def new(old, versions) -> Project:
    """The same project, with the version after it."""
    upgraded = object.__new__(Project)
    upgraded.folder = old.folder
    upgraded.environment = {**old.environment, "PYTHONPATH": str(versions.new)}
    return upgraded


def objects(project) -> set:
    """All that is in the database of a project."""
    name = project.run(
        "python -c \"from mysite.settings import *; print(DATABASES['default']['NAME'])\""
    ).strip()
    with psycopg.connect(database_url(dbname=name)) as session:
        return set(session.execute(OBJECTS).fetchall())


class Writer:
    """A process that publishes with one version of the library."""

    def __init__(self, project: Project, name: str) -> None:
        (project.folder / "writer.py").write_text(WRITE)
        self.name = name
        self.written = 0
        self._process = subprocess.Popen(
            [sys.executable, "writer.py", name],
            cwd=project.folder,
            env=project.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._thread = threading.Thread(target=self._read, name=f"writer {name}")
        self._thread.start()

    def _read(self) -> None:
        for line in self._process.stdout:
            self.written = int(line)

    def stop(self) -> None:
        if self._process.stdin.closed:
            return
        self._process.stdin.close()
        self._thread.join(SECONDS)
        assert self._process.wait(SECONDS) == 0
        self._process.stdout.close()


@contextmanager
def writing(project: Project, name: str) -> Iterator[Writer]:
    writer = Writer(project, name)
    try:
        yield writer
    finally:
        writer.stop()


def go_on(followers, *writers, events=20):
    """Wait until each follower has got so many more from each writer."""
    wanted = {writer.name: writer.written + events for writer in writers}

    def last(follower):
        return dict(list(follower.received))

    wait_until(
        lambda: all(
            last(follower).get(name, 0) >= number
            for follower in followers
            for name, number in wanted.items()
        ),
        SECONDS,
        otherwise=lambda: [(last(f), len(f.began), f.refused) for f in followers],
    )


@pytest.mark.slow
def test_two_versions_serve_side_by_side_and_back(old, new, versions):
    followers: list[Follower] = []
    urls: list[str] = []
    headers = {"Cookie": f"sessionid={sign_in(old)['sessionid']}"}
    with ExitStack() as resources:

        def follow(count):
            some = [Follower(urls, headers) for _ in range(count)]
            for follower in some:
                resources.callback(follower.join)
            for follower in some:
                resources.callback(follower.end)
            followers.extend(some)

        def serve(project):
            url = resources_of[project].enter_context(serving(project, SERVE))
            urls.append(f"{url}/documents/1/live")

        def stop(project):
            gone = urls.pop(0)
            resources_of[project].close()
            return gone

        resources_of = {old: ExitStack(), new: ExitStack()}
        for own in resources_of.values():
            resources.callback(own.close)
        serve(old)
        follow(3)
        first = resources.enter_context(writing(old, "old"))
        go_on(followers, first)

        new.run("python manage.py migrate -v 0 realtime")
        go_on(followers, first)
        serve(new)
        urls.reverse()  # who comes now comes to the new one
        follow(3)
        second = resources.enter_context(writing(new, "new"))
        go_on(followers, first, second)
        urls.reverse()
        stop(old)
        go_on(followers, first, second)

        serve(old)
        stop(new)
        go_on(followers, first, second)
        second.stop()
        new.run(f"python manage.py migrate -v 0 realtime {versions.last}")
        go_on(followers, first)
        first.stop()
        lasts = [["old", first.written], ["new", second.written]]
        wait_until(lambda: all(n in f.received for n in lasts for f in followers), SECONDS)
        for follower in followers:
            follower.end()

    for follower in followers[:3]:
        for writer in (first, second):
            own = [number for name, number in follower.received if name == writer.name]
            assert own == list(range(1, writer.written + 1))
    assert not [follower for follower in followers if follower.resets or follower.refused]
    for follower in followers[3:]:
        own = [number for name, number in follower.received if name == "new"]
        assert own == list(range(1, second.written + 1))


def test_to_migrate_to_zero_leaves_nothing(old, new):
    new.run("python manage.py migrate -v 0 realtime")
    assert objects(new) > old.objects_before
    new.run("python manage.py migrate -v 0 realtime zero")
    assert objects(new) == old.objects_before


def test_it_is_known_which_two_versions_are_compared(versions):
    """Until there is a release: this one, and what would follow it."""
    if newest_tag() is None:
        assert (versions.new / "realtime/log/sql/number_events_v2.sql").exists()
    assert not (versions.old / "realtime/log/sql/number_events_v2.sql").exists()
