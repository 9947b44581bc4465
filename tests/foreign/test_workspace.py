"""What another team does with it, by public names."""

import os
import re
import subprocess
import sys

import httpx
import pytest
from conftest import PASSWORD, ROOT, running, signed_in, stream
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import translation
from workspace.models import Document, Job, Team
from workspace.sharing import delete, share
from workspace.views import write

import realtime
from realtime.testing import capture_events


def test_the_library_needs_no_migrations_here_and_finds_nothing_wrong(db):
    call_command("makemigrations", check=True, dry_run=True)
    call_command("check", fail_level="WARNING")


def test_it_is_the_library_that_was_meant(request):
    """Against the wheel, nothing of the tree may be found."""
    assert not [name for name in sys.modules if name.split(".")[0] in ("orders", "config")]


# An object's page for its group ---------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_document_is_live_for_its_team(server, document, bob, language):
    with (
        signed_in(server, bob) as client,
        stream(client, f"/{language}/documents/{document.pk}/live") as events,
    ):
        write(document, "Second draft\nof two lines")
        event = next(events)
    assert event.event == "body"
    assert event.data.strip() == "<p>Second draft<br>of two lines</p>"


def test_it_is_for_nobody_else(server, document, django_user_model):
    carol = django_user_model.objects.create_user(
        "carol@example.com", "correct horse battery staple"
    )
    path = f"/en/documents/{document.pk}/live"
    assert httpx.get(server.url + path).status_code == 401
    with signed_in(server, carol) as client:
        assert client.get(path).status_code == 404


def test_whoever_leaves_the_team_is_told_no_more(server, document, alice, bob):
    """The stream ends within seconds: m2m_changed calls see workspace/apps.py."""
    with (
        signed_in(server, bob) as client,
        stream(client, f"/en/documents/{document.pk}/live") as events,
    ):
        document.team.members.remove(bob)
        assert not list(events)  # it has ended
        write(document, "Not for Bob")
        assert client.get(f"/en/documents/{document.pk}/live").status_code == 404


def test_without_a_word_to_realtime_it_is_found_by_looking(transactional_db, document, bob):
    with (
        running(ACCESS_CHECK_SECONDS="1") as server,
        signed_in(server, bob) as client,
        stream(client, f"/en/documents/{document.pk}/live") as events,
    ):
        Team.members.through.objects.filter(user=bob).delete()  # sends no signal
        assert not list(events)


def test_a_document_that_is_deleted_answers_404(transactional_db, document, bob):
    with (
        running(ACCESS_CHECK_SECONDS="1") as server,
        signed_in(server, bob) as client,
        stream(client, f"/en/documents/{document.pk}/live") as events,
    ):
        Document.objects.all().delete()
        assert not list(events)
        assert client.get(f"/en/documents/{document.pk}/live").status_code == 404


# A public page ----------------------------------------------------------------------------------


def test_the_news_are_live_for_everybody(server):
    with httpx.Client(base_url=server.url) as client, stream(client, "/en/news/live") as events:
        realtime.publish(to=realtime.PUBLIC, type="news", data={"text": "We moved"})
        assert next(events).json() == {"text": "We moved"}


# Several things over one connection -----------------------------------------------------------


def test_a_desk_follows_its_user_documents_and_jobs(server, document, alice):
    job = Job.objects.create(owner=alice, name="Import", total=10)
    with signed_in(server, alice) as client, stream(client, "/en/live") as events:
        write(document, "Second draft")
        realtime.publish(to=job, type="progress", data={"done": 5}, latest="progress")
        realtime.publish(to=alice, type="finished", data={"job": job.pk})
        told = [next(events) for _ in range(3)]
    assert [event.event for event in told] == ["body", "progress", "finished"]
    positions = [int(event.id.partition("-")[0]) for event in told]
    assert positions == sorted(positions)


def test_what_was_missed_is_told_in_order(server, document, alice):
    cursor = realtime.current_cursor()
    for number in range(3):
        write(document, f"Draft {number}")
    realtime.publish(to=alice, type="finished", data={})
    with signed_in(server, alice) as client, stream(client, "/en/live", cursor) as events:
        told = [next(events) for _ in range(4)]
    assert [event.event for event in told] == ["body"] * 3 + ["finished"]


# The last value ---------------------------------------------------------------------------------


def test_whoever_comes_later_is_told_the_last_value_only(server, alice):
    job = Job.objects.create(owner=alice, name="Import", total=200)
    call_command("run_job", job.pk)
    with (
        signed_in(server, alice) as client,
        stream(client, f"/en/jobs/{job.pk}/live", cursor=0) as events,
    ):
        assert next(events).json() == {"done": 200, "total": 200}


def test_progress_never_runs_backwards(server, alice):
    job = Job.objects.create(owner=alice, name="Import", total=300)
    with (
        signed_in(server, alice) as client,
        stream(client, f"/en/jobs/{job.pk}/live") as events,
    ):
        worker = subprocess.Popen(
            [sys.executable, "manage.py", "run_job", str(job.pk)],
            cwd=ROOT,
            env={**os.environ, "DATABASE_NAME": connection.settings_dict["NAME"]},
        )
        seen = [0]
        while seen[-1] < 300:
            seen.append(next(events).json()["done"])
        assert worker.wait(10) == 0
    assert seen == sorted(set(seen))


# Publishing from anywhere -----------------------------------------------------------------------


def test_a_command_publishes_without_a_server(transactional_db, alice):
    job = Job.objects.create(owner=alice, name="Import", total=3)
    subprocess.run(
        [sys.executable, "manage.py", "run_job", str(job.pk)],
        cwd=ROOT,
        env={**os.environ, "DATABASE_NAME": connection.settings_dict["NAME"]},
        check=True,
    )
    with (
        running() as server,
        signed_in(server, alice) as client,
        stream(client, "/en/live", cursor=0) as events,
    ):
        assert [next(events).event for _ in range(2)] == ["progress", "finished"]


@pytest.mark.parametrize(
    "nobody", [lambda team: team.members.all, lambda team: Team(name="new"), lambda team: "team"]
)
def test_what_is_no_topic_is_refused(document, nobody):
    with pytest.raises(realtime.InvalidEvent):
        realtime.publish(to=nobody(document.team), type="x", data={})


def test_members_are_told_one_by_one(server, document, alice, bob):
    realtime.publish(to=document.team.members.all(), type="invited", data={})
    for user in (alice, bob):
        with signed_in(server, user) as client, stream(client, "/en/live", cursor=0) as events:
            assert next(events).event == "invited"


# The bell, by docs/bell.md -----------------------------------------------------------------------


@pytest.fixture
def carol(django_user_model):
    return django_user_model.objects.create_user("carol@example.com", PASSWORD)


def post(client, path, **fields):
    """What a form of this site sends, or a script that says what it accepts."""
    headers = {"X-CSRFToken": client.cookies["csrftoken"], "Accept": "application/json"}
    return client.post(path, data=fields, headers=headers)


def test_who_is_given_a_document_is_told_by_the_bell(server, document, alice, carol):
    with signed_in(server, alice) as writer, signed_in(server, carol) as reader:
        inbox = reader.get("/en/notifications/api/").json()
        assert (inbox["unread"], inbox["threads"]) == (0, [])
        with stream(reader, inbox["live"], inbox["cursor"]) as events:
            post(writer, f"/en/documents/{document.pk}/share/", email=carol.email)
            event = next(events)
        assert event.event == "bell.notification"
        told = event.json()
        assert (told["kind"], told["title"]) == ("workspace.shared", "Plan")
        assert told["subject"] == realtime.topic_of(document)
        page = reader.get("/en/notifications/").text
        assert "alice@example.com shared it with you." in page
        assert f'href="/en/documents/{document.pk}/"' in page
        # The bell is in the header of every page, with its count.
        assert ", 1 unread" in words(reader.get("/en/").text)
        assert reader.get(told["url"]).status_code == 200


def test_each_reader_is_led_to_a_page_in_their_own_language(server, document, alice, carol):
    with translation.override("en"):
        share(document, [carol], by=alice)
    with signed_in(server, carol) as reader:
        assert f'href="/de/documents/{document.pk}/"' in reader.get("/de/notifications/").text
        assert f'href="/en/documents/{document.pk}/"' in reader.get("/en/notifications/").text
        [thread] = reader.get("/de/notifications/api/").json()["threads"]
        assert thread["url"] == f"/de/documents/{document.pk}/"


def words(page):
    """What a page says, without its markup."""
    return " ".join(re.sub(r"<[^>]*>", "", page).split())


def test_what_was_read_is_read_for_every_tab(server, document, alice, carol):
    share(document, [carol], by=alice)
    with signed_in(server, carol) as reader:
        inbox = reader.get("/en/notifications/api/").json()
        [thread] = inbox["threads"]
        assert (inbox["unread"], thread["state"]) == (1, "new")
        with stream(reader, inbox["live"], inbox["cursor"]) as events:
            answer = post(
                reader,
                "/en/notifications/change/",
                change=f"read {thread['subject']}",
                through=thread["position"],
            )
            assert answer.status_code == 204
            assert next(events).event == "bell.change"
        inbox = reader.get("/en/notifications/api/").json()
        assert (inbox["unread"], inbox["threads"][0]["state"]) == (0, "read")


def test_a_document_that_is_deleted_leaves_the_bells(server, document, alice, carol):
    share(document, [carol], by=alice)
    with signed_in(server, carol) as reader:
        assert reader.get("/en/notifications/api/").json()["unread"] == 1
        delete(document)
        assert reader.get("/en/notifications/api/").json()["threads"] == []


def test_nobody_else_is_told_and_a_share_that_fails_tells_nobody(server, document, alice, carol):
    with pytest.raises(RuntimeError), transaction.atomic():
        share(document, [carol], by=alice)
        raise RuntimeError
    share(document, [alice], by=alice)
    with signed_in(server, carol) as reader:
        assert reader.get("/en/notifications/api/").json()["threads"] == []
        assert reader.get(f"/en/documents/{document.pk}/").status_code == 404


# Pages by WSGI, streams by ASGI -----------------------------------------------------------------


def test_a_page_by_wsgi_knows_its_cursor_though_no_stream_was_ever_opened(
    transactional_db, document, bob
):
    write(document, "Second draft")  # nobody has numbered it yet
    with running("wsgi") as pages, signed_in(pages, bob) as reader:
        page = reader.get(f"/en/documents/{document.pk}/").text
        assert "Second draft" in page
        cursor = page.partition('data-live-cursor="')[2].partition('"')[0]
        with running("daphne") as streams:
            cookies = dict(reader.cookies)
            with httpx.Client(base_url=streams.url, cookies=cookies, timeout=15) as client:
                path = f"/en/documents/{document.pk}/live"
                with stream(client, path, cursor) as events:
                    write(document, "Third draft")
                    assert "Third draft" in next(events).data


def test_a_trigger_publishes(server):
    """workspace/migrations/0002 has it, so SQL by hand is enough."""
    with httpx.Client(base_url=server.url) as client, stream(client, "/en/news/live") as events:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO workspace_news (text) VALUES ('By hand')")
        event = next(events)
    assert (event.event, event.json()["text"]) == ("news", "By hand")


# Tests of their own -----------------------------------------------------------------------------


def test_what_a_view_publishes_is_seen_in_a_test_that_commits_nothing(client, document, bob):
    client.force_login(bob)
    with capture_events() as events:
        client.post(f"/en/documents/{document.pk}/", {"body": "Second draft"})
    assert [(event.type, event.topic) for event in events] == [
        ("body", realtime.topic_of(document))
    ]
    assert "Second draft" in events[0].data


def test_a_stream_is_read_in_a_test_without_a_server(event_stream_sync, document, bob):
    with event_stream_sync(f"/en/documents/{document.pk}/live", bob) as told:
        write(document, "Second draft")
        assert "Second draft" in told.next_event().data
