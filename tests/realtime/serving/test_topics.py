"""A view decides in plain Python what may be followed, and decides again while it is."""

import asyncio
import math

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission
from django.core.exceptions import PermissionDenied
from django.db.models.signals import m2m_changed
from django.template import Context, Template
from django.urls import set_script_prefix

import realtime
from orders.models import Order
from realtime.access import revocation
from realtime.hub import access_monitor
from tests.clients import STREAM, bearer
from tests.realtime.conftest import in_thread, publish
from tests.realtime.serving import urls
from tests.realtime.serving.conftest import session_cookie
from tests.waiting import until

PROMISED_SECONDS = 2


@pytest.fixture
def order(transactional_db, alice):
    return Order.objects.create(customer=alice, product="Cups", quantity=1, unit_price="4.50")


@pytest.fixture
def only_told(monkeypatch):
    """Nothing is looked at because its time has come."""
    monkeypatch.setattr(access_monitor.AccessMonitor, "check_soon", lambda self, stream: None)
    monkeypatch.setattr(access_monitor.AccessMonitor, "check_all", lambda self: None)


@pytest.fixture
async def listening(hub):
    await until(lambda: hub.home.state.listening_since is not None)


def take_away(order, user):
    """Behind Django's back: no signal tells of it."""
    Order.objects.filter(pk=order.pk).update(customer=user)


async def ends(answer, seconds=PROMISED_SECONDS):
    """The application has ended its response."""

    def is_last(message):
        return "body" in message["type"] and not message.get("more_body", False)

    async with asyncio.timeout(seconds):
        await until(lambda: is_last(answer.messages[-1]))


@pytest.mark.parametrize("wrapped", [True, False])
async def test_one_stream_follows_several_topics_with_one_cursor(ask, alice, order, wrapped):
    async with ask(f"/orders/{order.pk}/live", bearer(alice), wrapped=wrapped) as answer:
        assert answer.status == 200
        await publish(order, "body")
        await publish(alice, "note")
        await publish("somebody else", "secret")
        await publish(order, "last")
        await until(lambda: b'data: "last"' in answer.body)
        assert b'data: "body"' in answer.body
        assert b'data: "note"' in answer.body
        assert b"secret" not in answer.body


@pytest.mark.parametrize("wrapped", [True, False])
async def test_the_view_says_who_may_not(ask, alice, bob, order, wrapped):
    path = f"/orders/{order.pk}/live"
    async with ask(path, bearer(bob), wrapped=wrapped) as answer:
        assert answer.status == 403
    async with ask(path, wrapped=wrapped) as answer:
        assert answer.status == 401
        assert answer.headers[b"WWW-Authenticate"] == b'Bearer realm="events"'
    async with ask("/orders/0/live", bearer(alice), wrapped=wrapped) as answer:
        assert answer.status == 404
        assert answer.headers[b"Cache-Control"] == b"no-store"


@pytest.mark.parametrize("several", [True, False])
async def test_to_name_the_user_is_to_ask_for_one(ask, order, monkeypatch, several):
    def topics(self, request, pk):
        return [order, request.user] if several else request.user

    monkeypatch.setattr(urls.OrderStream, "topics", topics)
    async with ask(f"/orders/{order.pk}/live") as answer:
        assert answer.status == 401


async def test_a_page_is_refused_what_it_was_not_rendered_for(ask, alice, order):
    path, own = f"/orders/{order.pk}/live", f"topics=orders.order:{order.pk}"
    async with ask(path, bearer(alice), query_string=own.encode()) as answer:
        assert answer.status == 200
    both = f"{own}&topics=auth.user:{alice.pk}"
    async with ask(path, bearer(alice), query_string=both.encode()) as answer:
        assert answer.status == 200
    other = f"{own}&topics=orders.order:999"
    async with ask(path, bearer(alice), query_string=other.encode()) as answer:
        assert answer.status == 403


@pytest.mark.usefixtures("only_told", "listening")
@pytest.mark.parametrize("of", ["the user", "the topic", "everybody"])
async def test_recheck_ends_what_may_no_longer_be_followed(ask, alice, bob, order, of):
    subjects = {"the user": [alice], "the topic": [order], "everybody": []}[of]
    async with ask(f"/orders/{order.pk}/live", bearer(alice)) as answer:
        await in_thread(take_away, order, bob)
        await in_thread(realtime.recheck, *subjects)
        await ends(answer)
        await publish(order, "secret")
    async with ask(f"/orders/{order.pk}/live", bearer(alice)) as answer:
        assert answer.status == 403


@pytest.mark.usefixtures("only_told", "listening")
async def test_recheck_of_one_looks_at_nobody_else(ask, alice, bob, order):
    async with ask(f"/orders/{order.pk}/live", bearer(alice)) as answer:
        await in_thread(take_away, order, bob)
        await in_thread(realtime.recheck, bob)
        await asyncio.sleep(0.5)
        assert answer.messages[-1]["more_body"]


async def test_what_nobody_told_of_is_found_in_time(ask, alice, bob, order, hub):
    """One second after it was opened, and then every ACCESS_CHECK_SECONDS."""
    async with ask(f"/orders/{order.pk}/live", bearer(alice)) as answer:
        await in_thread(take_away, order, bob)
        await ends(answer, seconds=10)


async def test_a_deleted_object_ends_its_stream_for_good(ask, alice, order, hub):
    path = f"/orders/{order.pk}/live"
    async with ask(path, bearer(alice)) as answer:
        await in_thread(order.delete)
        await ends(answer, seconds=10)
    async with ask(path, bearer(alice)) as answer:
        assert answer.status == 404


@pytest.mark.usefixtures("listening")
async def test_a_stream_loses_a_topic_and_goes_on_with_the_rest(
    ask, alice, order, hub, monkeypatch
):
    monkeypatch.setattr(urls.OrderStream, "topics", lambda self, request, pk: [order, alice])
    async with ask(f"/orders/{order.pk}/live", bearer(alice)) as answer:
        monkeypatch.setattr(urls.OrderStream, "topics", lambda self, request, pk: request.user)
        await in_thread(realtime.recheck, alice)
        [stream] = hub.streams
        await until(lambda: stream.topics == (f"auth.user:{alice.pk}",))
        await publish(order, "secret")
        await publish(alice, "note")
        await until(lambda: b'data: "note"' in answer.body)
        assert b"secret" not in answer.body


class Directory(ModelBackend):
    """Permissions from somewhere else, which may be away."""

    def has_perm(self, user, permission, obj=None):
        raise ConnectionError("The directory doesn't answer.")


@pytest.mark.usefixtures("only_told", "listening")
async def test_a_backend_that_fails_ends_the_streams_that_go_by_it_and_no_others(
    ask, alice, bob, settings, hub
):
    await in_thread(bob.user_permissions.add, await _permission("view_order"))
    async with (
        ask(STREAM, bearer(bob), query_string=b"scope=all") as answer,
        ask(headers=bearer(alice)) as other,
    ):
        assert answer.status == 200
        settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Directory"]
        await in_thread(realtime.recheck, alice, bob)
        await ends(answer)
        assert other.messages[-1]["more_body"]
        [stream] = [one for one in hub.streams if one.access.user == str(alice.pk)]
        assert stream.access.doubted_at == math.inf


async def test_a_view_that_fails_when_it_is_asked_again_ends_its_stream(
    ask, alice, order, settings, hub, monkeypatch, caplog
):
    """And no other: it can't be verified."""
    monkeypatch.setattr(hub.access_monitor, "_check_seconds", 0.2)
    monkeypatch.setattr(access_monitor, "LATE_SECONDS", 3)
    monkeypatch.setattr(access_monitor, "CLOCK_SECONDS", 0.05)
    async with (
        ask(f"/orders/{order.pk}/live", bearer(alice)) as answer,
        ask(headers=bearer(alice)) as other,
    ):

        def broken(self, request, pk):
            raise ZeroDivisionError

        monkeypatch.setattr(urls.OrderStream, "topics", broken)
        hub.access_monitor.check_all()  # that of the opening may be over
        await until(lambda: not answer.messages[-1].get("more_body", True))
        assert answer.body.splitlines()[-2].startswith(b"retry: ")
        assert other.messages[-1]["more_body"]
    assert caplog.text.count("could not say again") == 1


@pytest.mark.usefixtures("only_told", "listening")
async def test_it_is_asked_again_with_a_request_like_the_first(ask, alice, order, monkeypatch, hub):
    seen = []

    def topics(self, request, pk):
        seen.append((request.path, request.GET.get("x"), request.headers["X-Y"], request.user, pk))
        assert request.session is not None
        if len(seen) > 1:
            raise PermissionDenied
        return order

    monkeypatch.setattr(urls.OrderStream, "topics", topics)
    headers = {**bearer(alice), "X-Y": "z"}
    path = f"/orders/{order.pk}/live"
    async with ask(path, headers, query_string=b"x=1") as answer:
        await in_thread(realtime.recheck, order)
        await ends(answer)
    assert seen == [(path, "1", "z", alice, order.pk)] * 2


async def test_the_default_keeps_nothing_of_its_request(ask, alice, hub):
    async with ask(headers=bearer(alice)):
        [stream] = hub.streams
        assert stream.access.review is None


async def test_a_visitor_follows_what_is_public(ask, hub):
    async with ask("/public") as answer:
        assert answer.status == 200
        await publish(realtime.PUBLIC, "open")
        await publish("somebody", "secret")
        await publish(realtime.PUBLIC, "last")
        await until(lambda: b'data: "last"' in answer.body)
        assert b'data: "open"' in answer.body
        assert b"secret" not in answer.body
    assert hub.streams.anonymous == 0


async def test_visitors_have_limits_for_each_view_and_address(ask, settings, hub, transactional_db):
    settings.REALTIME = {"MAX_STREAMS_PER_ADDRESS": 1}
    here, there = {"client": ("203.0.113.7", 5)}, {"client": ("203.0.113.8", 5)}
    async with ask("/public", **here) as first:
        assert first.status == 200
        for path, client, status in [
            ("/public", here, 429),
            ("/other", here, 200),
            ("/public", there, 200),
        ]:
            async with ask(path, **client) as answer:
                assert answer.status == status
    same_network = [{"client": (f"2001:db8::{n}", 5)} for n in (1, 2)]
    async with ask("/public", **same_network[0]), ask("/public", **same_network[1]) as answer:
        assert answer.status == 429
    # As a socket that takes both has them: of two networks, and the first is known by another name.
    mapped = [{"client": (f"::ffff:203.0.113.{n}", 5)} for n in (7, 8)]
    async with ask("/public", **mapped[0]):
        for client, status in ((mapped[1], 200), (here, 429)):
            async with ask("/public", **client) as answer:
                assert answer.status == status


@pytest.mark.usefixtures("only_told", "listening")
@pytest.mark.parametrize(
    ("path", "wrapped"),
    [
        ("/decorated", True),
        ("/decorated-too", True),
        ("/decorated-too", False),
        ("/guarded", True),
        ("/permission", True),
        ("/all?scope=all", True),
    ],
)
async def test_what_stands_around_a_view_is_asked_again(ask, hub, alice, path, wrapped):
    """A permission that a decorator or a mixin asks for ends the stream with it."""
    for name in ("view_order", "view_user"):
        await in_thread(alice.user_permissions.add, await _permission(name))
    path, _, query = path.partition("?")
    session = await session_cookie(alice)
    async with ask(path, session, wrapped=wrapped, query_string=query.encode()) as answer:
        assert answer.status == 200
        await looked_at(hub)
        await publish("somebody" if query else alice, "note")
        await until(lambda: b'data: "note"' in answer.body)
        await in_thread(alice.user_permissions.remove, await _permission("view_order"))
        await ends(answer)


@pytest.mark.usefixtures("only_told", "listening")
@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize(
    "way", ["get", "setup", "by-position/7", "by-name/cups", "given"], ids=lambda way: way
)
async def test_however_a_view_decides_it_is_asked_again(
    ask, hub, alice, way, wrapped, monkeypatch, caplog
):
    async with ask(f"/deciding/{way}", bearer(alice), wrapped=wrapped) as answer:
        assert answer.status == 200
        await looked_at(hub)
        await publish(alice, "note")
        await until(lambda: b'data: "note"' in answer.body)
        assert "could not" not in caplog.text
        monkeypatch.setattr(urls.Allowing, "now", False)
        await in_thread(realtime.recheck, alice)
        await ends(answer)
    async with ask(f"/deciding/{way}", bearer(alice), wrapped=wrapped) as answer:
        assert answer.status == 403


async def looked_at(hub):
    """The one stream that is open was found to be allowed still."""
    [stream] = hub.streams
    before = stream.access.verified_at
    await in_thread(realtime.recheck)
    await until(lambda: stream.access.verified_at > before)


async def _permission(name):
    return await in_thread(Permission.objects.get, codename=name)


@pytest.mark.usefixtures("only_told", "listening")
async def test_a_decorator_that_can_not_be_asked_again_ends_nothing(ask, hub, alice, caplog):
    async with ask("/verified", bearer(alice)) as answer:
        await looked_at(hub)
        assert "could not be asked again" in caplog.text
        await publish(alice, "note")
        await until(lambda: b'data: "note"' in answer.body)


@pytest.mark.usefixtures("only_told", "listening")
@pytest.mark.parametrize("wrapped", [True, False])
async def test_what_counts_requests_can_tell_those_that_ask_again(ask, hub, alice, wrapped):
    urls.counted.asked.clear()
    async with ask("/counted", bearer(alice), wrapped=wrapped):
        await looked_at(hub)
        first, *others = urls.counted.asked
        assert not first
        assert set(others) == {True}


@pytest.mark.usefixtures("only_told", "listening")
async def test_a_view_can_tell_whether_its_topics_are_asked_for_again(
    ask, alice, order, monkeypatch
):
    asked = []

    def topics(self, request, pk):
        asked.append(realtime.is_asked_again(request))
        if len(asked) > 1:
            raise PermissionDenied
        return order

    monkeypatch.setattr(urls.OrderStream, "topics", topics)
    async with ask(f"/orders/{order.pk}/live", bearer(alice)) as answer:
        await in_thread(realtime.recheck, order)
        await ends(answer)
    assert asked == [False, True]


async def test_visitors_never_take_every_place(ask, settings, alice, hub):
    settings.REALTIME = {"MAX_ANONYMOUS_STREAMS": 2, "MAX_STREAMS": 3}
    clients = [{"client": (f"203.0.113.{n}", 5)} for n in range(3)]
    async with ask("/public", **clients[0]), ask("/public", **clients[1]):
        async with ask("/public", **clients[2]) as answer:
            assert answer.status == 503
        async with ask(headers=bearer(alice)) as answer:
            assert answer.status == 200
        async with ask("/public", bearer(alice)) as answer:
            assert answer.status == 200


@pytest.mark.usefixtures("only_told", "listening")
async def test_one_line_rechecks_who_is_taken_from_a_many_to_many_field(
    ask, alice, order, monkeypatch
):
    """Its users and nobody else's, whichever side it is changed from; and after the commit, in
    whichever database that is.
    """
    group_model = type(alice).groups.rel.model
    heard = []
    monkeypatch.setattr(
        revocation, "_notify_after_commit", lambda *notified: heard.append(notified)
    )
    team = await in_thread(group_model.objects.create, name="team")
    receivers = list(m2m_changed.receivers)
    try:
        realtime.recheck_when_changed(type(alice).groups)
        await in_thread(alice.groups.add, team)
        assert (f"user {alice.pk}", "default") in heard
        heard.clear()
        await in_thread(team.user_set.remove, alice)
        assert (f"user {alice.pk}", "default") in heard
    finally:
        m2m_changed.receivers = receivers
        m2m_changed.sender_receivers_cache.clear()


def test_a_page_says_where_its_stream_is_and_where_it_begins(settings, alice, order):
    settings.ROOT_URLCONF = "tests.realtime.serving.urls"
    page = Template('{% load live %}<main {% live "order_live" order user pk=order.pk %}>')
    cursor = realtime.current_cursor("default")
    text = page.render(Context({"order": order, "user": alice}))
    assert text == (
        f'<main data-live-url="/orders/{order.pk}/live?topics=orders.order%3A{order.pk}'
        f'&amp;topics=auth.user%3A{alice.pk}" data-live-cursor="{cursor}" '
        f'data-live-heartbeat="15">'
    )


def test_a_page_begins_where_its_view_says(settings, alice):
    settings.ROOT_URLCONF = "tests.realtime.serving.urls"
    cursor = realtime.Cursor(position=7, mark=0xA1)
    page = Template('{% load live %}{% live "public_live" cursor=cursor %}')
    text = page.render(Context({"cursor": cursor}))
    assert 'data-live-cursor="7-a1"' in text


def test_a_page_below_a_prefix_says_so(settings, order):
    settings.ROOT_URLCONF = "tests.realtime.serving.urls"
    set_script_prefix("/app/")
    try:
        text = Template('{% load live %}{% live "public_live" %}').render(Context())
    finally:
        set_script_prefix("/")
    assert text.startswith('data-live-url="/app/public" data-live-cursor="')
