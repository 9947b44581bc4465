"""What a project tests with: what was published, and streams to read."""

import asyncio

import pytest
from django.test import TestCase
from django.urls import reverse

import realtime
from realtime.testing import (
    PublishedEvent,
    capture_events,
    open_stream,
    open_stream_sync,
    published_events,
)
from tests.realtime.conftest import in_thread
from tests.waiting import wait_until

pytest_plugins = ["realtime.testing.fixtures"]

TOPIC = realtime.Topic("test", "7")


class InATestCase(TestCase):
    """Nothing is committed, and no server runs."""

    def test_what_was_published_in_a_block_is_known(self):
        realtime.publish(to=TOPIC, type="before", data=0, stream="default")
        with capture_events() as events:
            realtime.publish(to=TOPIC, type="body", html="<p>\n</p>", stream="default")
            realtime.publish(to=TOPIC, data={"n": 1}, latest="n", stream="default")
        assert events == [
            PublishedEvent("default", "body", "test:7", "<p>\n</p>", ""),
            PublishedEvent("default", "", "test:7", {"n": 1}, "n"),
        ]
        assert len(published_events()) == 3

    def test_nothing_published_is_an_empty_list(self):
        with capture_events() as events:
            pass
        assert events == []


def test_a_fixture_captures_too(published):
    with published() as events:
        realtime.publish(to=TOPIC, type="body", text="x", stream="default")
    assert [event.type for event in events] == ["body"]


async def test_the_next_event_of_a_stream(transactional_db, alice):
    async with open_stream(reverse("orders_realtime"), alice) as stream:
        await in_thread(
            lambda: realtime.publish(to=alice, type="body", html="<p>\n</p>", stream="default")
        )
        event = await stream.next_event()
        assert (event.type, event.data) == ("body", "<p>\n</p>")
        await in_thread(lambda: realtime.publish(to=alice, data={"n": 1}, stream="default"))
        event = await stream.next_event()
        assert (event.type, event.json()) == ("message", {"n": 1})
    async with open_stream(reverse("orders_realtime"), alice, cursor=0) as stream:
        assert (await stream.next_event()).type == "body"


async def test_no_event_is_an_error_after_the_deadline(event_stream, alice):
    async with event_stream(reverse("orders_realtime"), alice) as stream:
        with pytest.raises(AssertionError, match=r"No event came in 0\.1 s"):
            await stream.next_event(seconds=0.1)


async def test_no_stream_is_an_error_with_the_answer(transactional_db):
    with pytest.raises(AssertionError, match=r"answered 401: .*Sign in"):
        async with open_stream(reverse("orders_realtime")):
            pass


def test_a_stream_for_tests_without_an_event_loop(event_stream_sync, alice, sessions):
    before = sessions()
    with event_stream_sync(reverse("orders_realtime"), alice) as stream:
        realtime.publish(to=alice, type="body", data=1, stream="default")
        assert stream.next_event().json() == 1
        alice.is_active = False
        alice.save()
        stream.ends(seconds=10)
    wait_until(lambda: sessions() <= before)


def test_the_stream_and_its_session_end_with_the_test(transactional_db, alice, sessions):
    before = sessions()

    async def read():
        async with open_stream(reverse("orders_realtime"), alice):
            pass

    asyncio.run(read())
    wait_until(lambda: sessions() <= before)
    with open_stream_sync(reverse("orders_realtime"), alice):
        pass
    wait_until(lambda: sessions() <= before)
