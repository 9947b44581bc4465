"""The admin: how the streams are, what is in the log, who is connected."""

import asyncio
from contextlib import aclosing
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from realtime import topic_of
from realtime.access.grants import Grant
from realtime.hub.stream import EventStream
from realtime.models import Event, OutboxEvent, Process, Stream
from tests.realtime.conftest import in_thread
from tests.waiting import soon, until

pytestmark = pytest.mark.django_db
STREAMS = reverse("admin:realtime_stream_changelist")
LOG = reverse("admin:realtime_stream_log", args=["default"])
PROCESSES = reverse("admin:realtime_process_changelist")
END = reverse("admin:realtime_process_end")


@pytest.fixture
def admin(shop):
    client = Client()
    client.force_login(shop)
    return client


@pytest.fixture
def staff(alice):
    """Somebody who may sign in to the admin, and see nothing there."""
    client = Client()
    alice.is_staff = True
    alice.save()
    client.force_login(alice)
    return client


def fill(count, **fields):
    Stream.objects.create(name="default", position=count)
    Event.objects.bulk_create(
        Event(
            stream="default",
            position=position,
            mark=1,
            **{"topic": "test:7", "type": "orders", "data": f'"event {position}"', **fields},
        )
        for position in range(1, count + 1)
    )


def test_the_list_tells_how_each_stream_is(admin):
    fill(3)
    OutboxEvent.objects.create(
        stream="default", topic="a:1", data="1", created_at=timezone.now() - timedelta(seconds=30)
    )
    page = admin.get(STREAMS).content.decode()
    assert 'class="field-position">3<' in page
    assert 'class="field-kept">3<' in page
    assert 'class="field-waiting">1<' in page
    assert 'class="field-lag">30.' in page
    assert "90 days" in page
    assert LOG in page


def test_the_log_is_read_page_by_page(admin):
    fill(120)
    page = admin.get(LOG).content.decode()
    assert "event 120&" in page
    assert "event 71&" in page
    assert "event 70&" not in page
    older = admin.get(LOG, {"before": 71}).content.decode()
    assert "event 70&" in older
    last = admin.get(LOG, {"before": 21}).content.decode()
    assert "Older" not in last


def test_the_log_is_filtered_by_topic_and_type(admin):
    fill(4)
    Event.objects.filter(position=2).update(topic="test:8")
    Event.objects.filter(position=3).update(type="note")
    by_topic = admin.get(LOG, {"topic": "test:8"}).content.decode()
    by_type = admin.get(LOG, {"type": "note"}).content.decode()
    for page, own, other in ((by_topic, 2, 3), (by_type, 3, 2)):
        assert f"event {own}&" in page
        assert f"event {other}&" not in page


def test_what_is_in_the_log_is_shown_and_not_run(admin):
    fill(1, data='"<script>alert(1)</script>"', topic="x:<b>")
    page = admin.get(LOG).content.decode()
    assert "<script>alert(1)" not in page
    assert "x:<b>" not in page


@pytest.mark.parametrize("wrong", ["x", "-1", "9" * 30, "²"])
def test_a_place_that_is_none_is_the_newest(admin, wrong):
    fill(1)
    assert "event 1&" in admin.get(LOG, {"before": wrong}).content.decode()


def test_a_stream_that_is_not_there_has_no_log(admin):
    assert admin.get(LOG).status_code == 404


def test_nothing_can_be_changed(admin, shop):
    fill(1)
    process = a_process()
    for model, key in (("stream", "default"), ("process", process.pk)):
        assert admin.get(reverse(f"admin:realtime_{model}_add")).status_code == 403
        change = reverse(f"admin:realtime_{model}_change", args=[key])
        assert admin.post(change, {"position": 7}).status_code == 403
        assert admin.post(reverse(f"admin:realtime_{model}_delete", args=[key])).status_code == 403


def test_who_may_not_see_it_does_not(staff):
    fill(1)
    assert staff.get(STREAMS).status_code == 403
    assert staff.get(LOG).status_code == 403
    assert staff.get(PROCESSES).status_code == 403
    assert staff.post(END, {"user": "7"}).status_code == 403


def test_to_see_who_is_connected_is_not_to_end_it(staff, alice):
    alice.user_permissions.add(Permission.objects.get(codename="view_process"))
    process = a_process()
    page = staff.get(reverse("admin:realtime_process_change", args=[process.pk])).content.decode()
    assert "End their streams" not in page
    assert staff.post(END, {"user": "7"}).status_code == 403


def a_process(**fields):
    values = {"id": "00000000-0000-4000-8000-000000000001", "host": "web-1", "pid": 7, **fields}
    return Process.objects.create(**values)


def test_it_tells_who_is_connected(admin, alice):
    process = a_process(streams=4, users={str(alice.pk): 3, "anonymous 1": 1})
    page = admin.get(PROCESSES).content.decode()
    assert "web-1, process 7" in page
    page = admin.get(reverse("admin:realtime_process_change", args=[process.pk])).content.decode()
    assert "<td>alice</td><td>3</td>" in page
    assert "anonymous 1" in page


def test_a_process_that_says_nothing_any_more_is_shown_as_gone(admin):
    a_process(beat_at=timezone.now() - timedelta(minutes=2))
    assert "icon-no" in admin.get(PROCESSES).content.decode()


@pytest.mark.django_db(transaction=True)
async def test_a_process_says_who_is_connected(hub, alice, monkeypatch):
    monkeypatch.setattr("realtime.hub.presence.BEAT_SECONDS", 0.0)
    async with a_stream(hub, alice):
        hub.poll()

        def said():
            return list(Process.objects.values_list("streams", "users"))

        async with asyncio.timeout(10):
            while await in_thread(said) != [(1, {str(alice.pk): 1})]:
                hub.poll()


@pytest.mark.django_db(transaction=True)
async def test_the_streams_of_a_user_are_ended_and_nobody_elses(hub, admin, alice, bob):
    await until(lambda: hub.home.state.listening_since is not None)
    async with a_stream(hub, alice) as ended, a_stream(hub, bob) as other:
        await in_thread(admin.post, END, {"user": str(alice.pk)})
        with pytest.raises(StopAsyncIteration):
            await soon(anext(ended))
        await until(lambda: len(hub.streams) == 1)
        assert other is not None


def a_stream(hub, user):
    return _AStream(hub, user)


class _AStream:
    """The chunks of a user's stream that has begun."""

    def __init__(self, hub, user):
        self._hub, self._user = hub, user

    async def __aenter__(self):
        cursor = (await self._hub.catch_up("default")).cursor
        grant = Grant(user=str(self._user.pk))
        stream = EventStream(self._hub, "default", (topic_of(self._user),), cursor, access=grant)
        self._chunks = aclosing(stream.chunks())
        chunks = await self._chunks.__aenter__()
        await soon(anext(chunks))
        return chunks

    async def __aexit__(self, *error):
        await self._chunks.__aexit__(*error)
