"""A stream opens alike in every kind of project, whoever asks Django for it."""

import asyncio
import gc
from contextlib import aclosing
from io import BytesIO
from weakref import WeakSet

import pytest
from asgiref.sync import async_to_sync, markcoroutinefunction, sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished
from django.db import connection, connections
from django.http import HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.utils.translation import activate

import realtime
from realtime import conf
from realtime.counts import counts
from realtime.hub.hub import Hub
from realtime.log import wire
from realtime.log.cursor import START, Cursor
from realtime.serving.responses import _say_that_the_application_is_not_wrapped
from tests.clients import STREAM, bearer
from tests.realtime.conftest import in_thread, publish, unmarked
from tests.realtime.serving.conftest import session_cookie
from tests.realtime.serving.urls import FOUND, OF_REQUEST, Failing
from tests.waiting import soon, until, wait_until

EVERYWHERE = ["wrapped", "not wrapped", "AsyncClient"]
MIDDLEWARE = "tests.realtime.serving.test_one_way_to_open"


@pytest.fixture
def opened(ask, hub):
    """Opens a stream by one of the ways; gives its status and its first bytes."""

    async def opened(way, path, headers, **scope):
        if way == "AsyncClient":
            client = AsyncClient()
            headers = dict(headers)
            client.cookies.load(headers.pop("Cookie", ""))
            response = await client.get(path, headers=headers)
            if not response.streaming:
                return response.status_code, response.content
            async with aclosing(aiter(response)) as chunks:
                first = await soon(anext(chunks))
                assert len(hub.streams) == 1
            return response.status_code, first
        async with ask(path, headers, wrapped=way == "wrapped", **scope) as answer:
            if answer.status == 200:
                assert len(hub.streams) == 1
            return answer.status, answer.body

    return opened


def first_event(data):
    return wire.event(Cursor(1, None), "orders", data)


@pytest.mark.parametrize("way", EVERYWHERE)
@pytest.mark.parametrize(
    "path",
    [
        *("/plain", "/documents/7/live", "/en/live", "/de/live"),
        *("/dispatch", "/get", "/plain-get", "/querying-setup", "/never-cached", "/partial"),
    ],
)
async def test_a_stream_opens(opened, alice, way, path):
    status, text = await opened(way, path, bearer(alice))
    assert status == 200
    assert text.endswith(wire.heartbeat(START))


@pytest.mark.parametrize("way", ["wrapped", "not wrapped"])
async def test_a_converter_that_fails_is_answered_by_django(opened, alice, way):
    """Whoever looks for the view before Django does may not fail in its place."""
    assert (await opened(way, "/converted/7", bearer(alice)))[0] == 500


async def test_the_first_request_starts_the_hub_whatever_it_is(ask):
    """Else what it publishes waits for its number until somebody opens a page."""
    await Hub.close_current()
    async with ask("/plain", method="POST") as answer:
        assert answer.status == 405
    assert asyncio.get_running_loop() in Hub._hubs


async def test_a_view_with_a_plain_get_answers_head(ask, alice):
    async with ask("/plain-get", bearer(alice), method="HEAD") as answer:
        assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("way", EVERYWHERE[:2])
@pytest.mark.parametrize("middleware", [[], [f"{MIDDLEWARE}.shouting"]])
async def test_head_is_answered_without_a_body(ask, alice, settings, way, middleware):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, *middleware]
    async with ask("/plain", bearer(alice), method="HEAD", wrapped=way == "wrapped") as answer:
        assert (answer.status, answer.body) == (200, b"")


async def test_a_subclass_may_answer_other_methods_by_plain_functions(hub, alice, settings):
    settings.ROOT_URLCONF = "tests.realtime.serving.urls"
    client = AsyncClient()
    assert (await client.post("/with-form")).json() == {"users": 1}
    assert (await client.options("/with-form")).json() == {"users": 1}
    assert (await client.delete("/with-form")).content == b"Not so."
    await in_thread(lambda: None)


async def test_what_a_subclass_changes_is_guarded_as_in_any_view(hub, alice, settings):
    """A stream needs no CSRF token, and says itself that nobody is signed in; a form doesn't."""
    settings.ROOT_URLCONF = "tests.realtime.serving.urls"
    assert (await AsyncClient(enforce_csrf_checks=True).post("/with-form")).status_code == 403
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    assert (await AsyncClient().post("/with-form")).status_code == 302
    await in_thread(lambda: None)


async def test_a_stream_that_is_asked_for_by_post_outlives_its_request(
    ask, alice, hub, caplog, ending
):
    _say_that_the_application_is_not_wrapped.cache_clear()
    async with ask("/by-post", bearer(alice), method="POST") as answer:
        assert answer.status == 200
        assert len(hub.streams) == 1
        assert ending == [True]
    assert "not wrapped" not in caplog.text


@pytest.mark.parametrize("way", EVERYWHERE)
async def test_a_base_class_decides_wherever_it_stands(opened, alice, shop, way):
    status, _ = await opened(way, "/mixed-in-last", await session_cookie(alice))
    assert status == 403
    status, _ = await opened(way, "/mixed-in-last", await session_cookie(shop))
    assert status == 200


@pytest.mark.parametrize("path", ["/permission", "/mixed-in-last"])
async def test_a_base_class_is_asked_again_wherever_it_stands(ask, shop, hub, path):
    async with ask(path, await session_cookie(shop)) as answer:
        assert answer.status == 200
        await in_thread(
            lambda: get_user_model().objects.filter(pk=shop.pk).update(is_superuser=False)
        )
        await in_thread(realtime.recheck, shop)
        await until(lambda: not answer.messages[-1]["more_body"])


@pytest.fixture
def failing():
    """What the view, or the middleware, of that name raises."""
    yield Failing
    Failing.error = None


@pytest.mark.parametrize("way", EVERYWHERE[:2])
@pytest.mark.parametrize("error", [StopIteration(), SystemExit(1), asyncio.CancelledError()])
async def test_whatever_a_view_raises_is_answered(opened, alice, failing, way, error):
    """Else its client would wait for ever, and for it a thread of those that open streams."""
    for failing.error in [error] * (conf.get("REQUEST_THREADS") + 1):
        assert (await opened(way, "/failing", bearer(alice)))[0] == 500
    failing.error = None
    assert (await opened(way, "/failing", bearer(alice)))[0] == 200


async def test_whatever_middleware_raises_costs_no_thread(opened, alice, failing, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{MIDDLEWARE}.failing_middleware"]
    for failing.error in [SystemExit(1)] * (conf.get("REQUEST_THREADS") + 1):
        with pytest.raises(RuntimeError, match="has raised SystemExit"):
            await opened("wrapped", "/plain", bearer(alice))
    failing.error = None
    assert (await opened("wrapped", "/plain", bearer(alice)))[0] == 200


def failing_middleware(get_response):
    def middleware(request):
        Failing.check()
        return get_response(request)

    return middleware


@pytest.mark.parametrize("error", [SystemExit(1), asyncio.CancelledError()])
async def test_whatever_a_view_raises_when_asked_again_ends_no_more_than_its_stream(
    ask, alice, bob, hub, failing, error
):
    async with ask("/plain", bearer(bob)) as other:
        [stream] = hub.streams
        async with ask("/failing", bearer(alice)) as answer:
            [failing_stream] = set(hub.streams) - {stream}
            opened_at = failing_stream.access.verified_at
            await until(lambda: failing_stream.access.verified_at > opened_at)
            failing.error = error
            await in_thread(realtime.recheck, alice)
            await until(lambda: not answer.messages[-1]["more_body"])
        before = stream.access.verified_at
        await in_thread(realtime.recheck, bob)
        await until(lambda: stream.access.verified_at > before)
        await publish(bob, "cups")
        await until(lambda: unmarked(other.body).endswith(first_event('"cups"')))


async def test_asking_again_leaves_nothing_in_a_cache(ask, alice, hub, settings):
    """What is asked again is answered, too, and cache_page() would give that to the next client."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    headers = await session_cookie(alice)
    async with ask("/cached", headers) as answer:
        assert answer.status == 200
        [stream] = hub.streams
        before = stream.access.verified_at
        await in_thread(realtime.recheck, alice)
        await until(lambda: stream.access.verified_at > before)
    async with ask("/cached", headers) as answer:
        assert answer.body.startswith(b"retry: ")
    await in_thread(cache.clear)


@pytest.fixture
def found():
    """What `topics()` has found in the context of its request."""
    FOUND.clear()
    return FOUND


@pytest.mark.parametrize("way", EVERYWHERE)
async def test_topics_are_asked_in_the_context_of_an_asynchronous_decorator(
    opened, alice, way, found
):
    assert (await opened(way, "/in-german", bearer(alice)))[0] == 200
    assert found[0][:2] == ("the view's", "de")


@pytest.mark.parametrize("way", EVERYWHERE[:2])
async def test_topics_are_asked_in_the_context_of_asgi_middleware(opened, alice, way, found):
    token = OF_REQUEST.set("the server's")
    try:
        assert (await opened(way, "/in-context", bearer(alice)))[0] == 200
    finally:
        OF_REQUEST.reset(token)
    assert found[0][0] == "the server's"


@pytest.mark.parametrize("way", EVERYWHERE[:2])
async def test_what_middleware_sets_for_one_request_is_not_there_for_the_next(
    opened, alice, bob, settings, way, found
):
    """Such as an organisation, of whoever has signed in to one."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{MIDDLEWARE}.of_alice"]
    alices, bobs = await session_cookie(alice), await session_cookie(bob)
    for headers in [alices, *[bobs] * conf.get("REQUEST_THREADS")]:
        assert (await opened(way, "/in-context", headers))[0] == 200
    opening = [one for one, *_ in found if one is not None]
    assert opening == ["alice's"]


@pytest.mark.parametrize("way", EVERYWHERE[:2])
@pytest.mark.parametrize(
    "statement", ["SET shop.of = 'alice'", "SELECT set_config('shop.of', 'alice', false)"]
)
async def test_what_middleware_sets_in_a_database_session_is_not_there_for_the_next(
    opened, alice, bob, settings, way, statement
):
    """Such as the user of now, for row security, on connections that end with their request."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{MIDDLEWARE}.for_row_security"]
    IN_SESSION.clear()
    Setting.statement = statement
    alices, bobs = await session_cookie(alice), await session_cookie(bob)
    for headers in [alices, *[bobs] * conf.get("REQUEST_THREADS")]:
        assert (await opened(way, "/plain", headers))[0] == 200
    assert [one for one in IN_SESSION if one] == ["alice"]


IN_SESSION = []


class Setting:
    statement = ""


def for_row_security(get_response):
    def middleware(request):
        with connection.cursor() as cursor:
            if request.user.username == "alice":
                cursor.execute(Setting.statement)
            cursor.execute("SELECT current_setting('shop.of', true)")
            IN_SESSION.extend(cursor.fetchone())
        return get_response(request)

    return middleware


async def test_what_a_view_sets_when_asked_again_is_not_there_for_the_next(
    ask, alice, bob, hub, found
):
    alices, bobs = await session_cookie(alice), await session_cookie(bob)
    async with ask("/of-alice", alices), ask("/of-alice", bobs):
        seen = {stream: stream.access.verified_at for stream in hub.streams}
        await until(lambda: all(one.access.verified_at > seen[one] for one in seen))
        await in_thread(realtime.recheck, bob)
        asked = len(found)
        await until(lambda: len(found) > asked)
    assert {context for context, _, user in found if user == "bob"} == {None}
    assert {context for context, _, user in found if user == "alice"} == {"alice's"}


def of_alice(get_response):
    def middleware(request):
        if request.user.username == "alice":
            OF_REQUEST.set("alice's")
            activate("de")
        return get_response(request)

    return middleware


def test_topics_of_a_coroutine_are_refused_at_once():
    class Asynchronous(realtime.EventStreamView):
        async def topics(self, request):
            return request.user

    for view, given in ((Asynchronous, {}), (realtime.EventStreamView, vars(Asynchronous))):
        with pytest.raises(TypeError, match="has to be synchronous"):
            view.as_view(**{name: given[name] for name in given if name == "topics"})


@pytest.mark.parametrize("way", EVERYWHERE)
async def test_a_view_without_anything_to_follow_says_so(opened, alice, way):
    status, text = await opened(way, "/groups", bearer(alice))
    assert status == 403
    assert b"You may not follow this." in text


async def test_a_misspelt_stream_is_told_to_whoever_wrote_it(opened, alice, caplog):
    status, _ = await opened("wrapped", "/misspelt", bearer(alice))
    assert status == 500
    assert "There is no stream 'defualt'" in caplog.text


@pytest.mark.parametrize("way", EVERYWHERE)
@pytest.mark.parametrize("path", ["/decorated", "/decorated-too", "/guarded"])
async def test_a_decorator_decides(opened, alice, shop, way, path):
    status, _ = await opened(way, path, await session_cookie(alice))
    assert status == 403
    status, text = await opened(way, path, await session_cookie(shop))
    assert status == 200
    assert text.endswith(wire.heartbeat(START))


@pytest.mark.parametrize("way", EVERYWHERE)
@pytest.mark.parametrize("path", ["/plain", "/decorated-too", "/dispatch", "/get"])
async def test_a_stream_is_in_no_transaction_of_its_request(opened, shop, monkeypatch, way, path):
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    status, _ = await opened(way, path, await session_cookie(shop))
    assert status == 200


@pytest.mark.parametrize("way", EVERYWHERE)
async def test_a_site_behind_a_login_takes_tokens(opened, alice, settings, way):
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    assert (await opened(way, "/plain", bearer(alice)))[0] == 200
    status, text = await opened(way, "/plain", {})
    assert status == 401
    assert b"Sign in" in text


async def test_a_site_behind_a_login_trades_tokens_for_cookies(hub, alice, settings):
    settings.ROOT_URLCONF = "tests.realtime.serving.urls"
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    response = await AsyncClient().post("/cookie", headers=bearer(alice))
    assert response.status_code == 204
    await in_thread(lambda: None)


@pytest.mark.parametrize("way", ["wrapped", "not wrapped"])
@pytest.mark.parametrize("prefix", ["scope", "setting"])
async def test_a_site_below_a_prefix(opened, alice, settings, way, prefix, caplog, ending):
    if prefix == "setting":
        settings.FORCE_SCRIPT_NAME = "/app"
    scope = {"root_path": "/app"} if prefix == "scope" else {}
    status, _ = await opened(way, "/app/plain", bearer(alice), **scope)
    assert status == 200


@pytest.fixture
def ending():
    """Notes each request that ends."""
    ended = []

    def note(**kwargs):
        ended.append(True)

    request_finished.connect(note)
    yield ended
    request_finished.disconnect(note)


@pytest.mark.parametrize(
    ("path", "scope", "middleware"),
    [
        ("/plain", {}, []),
        ("/de/live", {}, []),
        ("/app/plain", {"root_path": "/app"}, []),
        # Nothing but Django itself knows that this is a stream.
        ("/tenant", {}, [f"{MIDDLEWARE}.of_a_tenant"]),
    ],
)
async def test_a_stream_outlives_its_request(
    ask,
    hub,
    alice,
    settings,
    sessions,
    caplog,
    ending,
    path,
    scope,
    middleware,
):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, *middleware]
    _say_that_the_application_is_not_wrapped.cache_clear()
    before = await sync_to_async(sessions)()
    async with ask(path, bearer(alice), **scope) as answer:
        assert answer.status == 200
        assert len(hub.streams) == 1
        assert ending == [True]
        # The hub's own stay: one listens, one works, one looks after access.
        await sync_to_async(wait_until)(lambda: sessions() <= before + 3)
        await publish(alice, "cups")
        await until(lambda: unmarked(answer.body).endswith(first_event('"cups"')))
        assert [m["type"] for m in answer.messages].count("http.response.start") == 1
        assert all(message["more_body"] for message in answer.messages[1:])
    assert len(hub.streams) == 0
    assert "not wrapped" not in caplog.text


async def test_a_stream_keeps_no_connection_that_its_request_was_to_keep(
    ask, hub, alice, settings, sessions, monkeypatch
):
    """With CONN_MAX_AGE, where Django's own handler opens the stream."""
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 600)
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{MIDDLEWARE}.of_a_tenant"]
    before = await sync_to_async(sessions)()
    gc.disable()
    try:
        async with ask("/tenant", bearer(alice)) as one, ask("/tenant", bearer(alice)) as other:
            assert one.status == other.status == 200
            # The hub's own stay, as above.
            await sync_to_async(wait_until)(lambda: sessions() <= before + 3)
    finally:
        gc.enable()


SEEN = WeakSet()


def noted(get_response):
    def middleware(request):
        response = get_response(request)
        SEEN.update([request, response])
        return response

    return middleware


@pytest.mark.parametrize("credentials", ["token", "session"])
async def test_a_stream_keeps_nothing_of_its_request_in_memory(
    ask, hub, alice, settings, credentials
):
    """Three kilobytes, of thousands. Nor does it wait for the garbage collector to see that."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{MIDDLEWARE}.noted"]
    headers = bearer(alice) if credentials == "token" else await session_cookie(alice)
    gc.disable()
    try:
        async with ask(headers=headers) as answer:
            assert answer.status == 200
            await publish(alice, "cups")
            await until(lambda: unmarked(answer.body).endswith(first_event('"cups"')))
            await until(lambda: not SEEN)
    finally:
        gc.enable()


@pytest.mark.parametrize("way", EVERYWHERE[:2])
async def test_a_thread_of_the_projects_may_go_on_with_the_request(opened, alice, settings, way):
    """Such as one that keeps statistics of who has asked for what."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{MIDDLEWARE}.kept"]
    assert (await opened(way, "/plain", await session_cookie(alice)))[0] == 200
    request = KEPT.pop()
    assert (request.path, request.user.pk, request.GET) == ("/plain", alice.pk, {})
    assert request.session["_auth_user_id"] == str(alice.pk)


KEPT = []


def kept(get_response):
    def middleware(request):
        KEPT.append(request)
        return get_response(request)

    return middleware


def of_a_tenant(get_response):
    def middleware(request):
        request.urlconf = "tests.realtime.serving.urls_of_a_tenant"
        return get_response(request)

    return middleware


async def test_what_stands_before_django_sees_every_request(ask, alice, hub):
    """Such as a password for a whole site that isn't public yet."""
    seen = []

    def inside(application):
        async def watching(scope, receive, send):
            seen.append(scope["path"])
            await application(dict(scope), receive, send)

        return watching

    async with ask(headers=bearer(alice), inside=inside) as answer:
        assert answer.status == 200
        assert len(hub.streams) == 1
    assert seen == ["/plain"]


async def test_asynchronous_middleware_is_asked(ask, alice, settings, hub):
    settings.MIDDLEWARE = [
        f"{MIDDLEWARE}.AsynchronousOnly",
        *settings.MIDDLEWARE,
        f"{MIDDLEWARE}.AsynchronousOnly",
    ]
    async with ask(headers=bearer(alice)) as answer:
        assert answer.status == 200
        assert answer.headers[b"X-Times"] == b"2"
        assert len(hub.streams) == 1


async def test_asynchronous_middleware_stays_in_the_servers_event_loop(
    ask, alice, settings, monkeypatch
):
    """Such as a client of Redis in it, whose connections belong to one."""
    monkeypatch.setattr(BoundToItsLoop, "loop", asyncio.get_running_loop())
    settings.MIDDLEWARE = [f"{MIDDLEWARE}.BoundToItsLoop", *settings.MIDDLEWARE]
    async with ask(headers=bearer(alice)) as answer:
        assert answer.status == 200


class Asynchronous:
    sync_capable, async_capable = False, True

    def __init__(self, get_response):
        self.get_response = get_response
        markcoroutinefunction(self)


class BoundToItsLoop(Asynchronous):
    loop = None

    async def __call__(self, request):
        assert asyncio.get_running_loop() is self.loop
        return await self.get_response(request)


class AsynchronousOnly(Asynchronous):
    async def __call__(self, request):
        await asyncio.sleep(0)
        response = await self.get_response(request)
        response["X-Times"] = str(int(response.get("X-Times", "0")) + 1)
        return response


@pytest.mark.parametrize("way", EVERYWHERE)
async def test_a_middleware_may_put_something_around_the_stream(opened, alice, settings, way):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{MIDDLEWARE}.shouting"]
    status, text = await opened(way, "/plain", bearer(alice))
    assert status == 200
    assert b"EVENT: HEARTBEAT" in text


def shouting(get_response):
    def middleware(request):
        response = get_response(request)

        async def louder(chunks):
            async for chunk in chunks:
                yield chunk.upper().replace(b"RETRY", b"retry")

        response.streaming_content = louder(response.streaming_content)
        return response

    return middleware


@pytest.mark.parametrize("way", EVERYWHERE)
async def test_a_middleware_may_answer_with_another_stream_of_what_it_reads(
    opened, alice, settings, way
):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{MIDDLEWARE}.shouting_itself"]
    status, text = await opened(way, "/plain", bearer(alice))
    assert status == 200
    assert b"EVENT: HEARTBEAT" in text


def shouting_itself(get_response):
    def middleware(request):
        response = get_response(request)

        async def louder():
            async for chunk in response:
                yield chunk.upper().replace(b"RETRY", b"retry")

        return StreamingHttpResponse(louder(), headers=response.headers)

    return middleware


@pytest.mark.parametrize("way", EVERYWHERE[:2])
async def test_who_reads_a_stream_to_its_end_is_told_that_it_has_none(
    opened, alice, settings, caplog, way
):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{MIDDLEWARE}.measuring"]
    assert (await opened(way, "/plain", bearer(alice)))[0] == 500
    assert "An event stream has no end" in caplog.text


def measuring(get_response):
    def middleware(request):
        response = get_response(request)
        response["X-Length"] = len(b"".join(response))
        return response

    return middleware


async def refuses(kind, hub, settings, monkeypatch):
    if kind == "too many of a user":
        settings.REALTIME = {"MAX_STREAMS_PER_USER": 0}
    elif kind == "too many":
        settings.REALTIME = {"MAX_STREAMS": 0}
    elif kind == "draining":
        await hub.drain(seconds=0)
    else:
        monkeypatch.setattr(type(hub.home), "away", "no route to host")


@pytest.mark.parametrize("accept", ["*/*", "text/event-stream"])
@pytest.mark.parametrize("kind", ["too many of a user", "too many", "draining", "away"])
@pytest.mark.parametrize("way", EVERYWHERE[:2])
async def test_every_answer_passes_the_middleware(
    ask,
    alice,
    hub,
    settings,
    monkeypatch,
    way,
    kind,
    accept,
):
    """Such as one that says from where scripts may ask, without which a browser tells nothing."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{MIDDLEWARE}.for_other_sites"]
    await refuses(kind, hub, settings, monkeypatch)
    headers = {**bearer(alice), "Accept": accept}
    async with ask(headers=headers, wrapped=way == "wrapped") as answer:
        if accept == "text/event-stream":
            assert answer.status == 200
            assert b"retry: " in answer.body
        else:
            assert answer.status == (429 if kind == "too many of a user" else 503)
        assert answer.headers[b"Access-Control-Allow-Origin"] == b"https://shop.example"
    assert len(hub.streams) == 0


async def test_who_acts_as_somebody_else_keeps_the_stream(ask, alice, bob, settings, hub):
    """As middleware has it by which staff look at the site as one of its customers."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{MIDDLEWARE}.acting_as_bob"]
    async with ask(headers=await session_cookie(alice)) as answer:
        [stream] = hub.streams
        before = stream.access.verified_at
        await until(lambda: stream.access.verified_at > before)
        await publish(bob, "cups")
        await until(lambda: unmarked(answer.body).endswith(first_event('"cups"')))
        await in_thread(Session.objects.all().delete)
        await in_thread(realtime.recheck, bob)
        await until(lambda: not answer.messages[-1]["more_body"])


def acting_as_bob(get_response):
    def middleware(request):
        request.user = get_user_model().objects.get(username="bob")
        return get_response(request)

    return middleware


def for_other_sites(get_response):
    def middleware(request):
        response = get_response(request)
        response["Access-Control-Allow-Origin"] = "https://shop.example"
        return response

    return middleware


async def test_a_place_is_given_back_by_a_client_that_left_before_its_stream_was_open(
    ask,
    alice,
    hub,
    settings,
):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{MIDDLEWARE}.forgetful"]
    settings.REALTIME = {"MAX_STREAMS_PER_USER": 1}
    for _ in range(3):
        async with ask(headers=bearer(alice)) as answer:
            assert answer.body == b"Something else."
    assert len(hub.streams) == hub.streams.of(str(alice.pk)) == 0


def forgetful(get_response):
    def middleware(request):
        get_response(request)
        return HttpResponse(b"Something else.")

    return middleware


def test_the_synchronous_client_gets_what_there_is(transactional_db, alice):
    realtime.publish(to=alice, type="orders", stream="default", data={"n": 1})
    response = Client().get(f"{STREAM}?last_event_id=0", headers=bearer(alice))
    assert response.status_code == 200
    text = b"".join(response.streaming_content)
    assert first_event("").splitlines()[0] in text
    assert text.startswith(b"retry: ")
    assert Client().get(STREAM).status_code == 401


def test_a_wsgi_server_is_told_at_once_that_it_can_not(db, alice):
    environ = RequestFactory().get(STREAM, headers=bearer(alice)).environ
    environ["wsgi.input"] = BytesIO()  # no longer a test client's
    answered = []
    body = WSGIHandler()(environ, lambda status, headers: answered.append(status))
    assert answered == ["501 Not Implemented"]
    assert b"ASGI server" in b"".join(body)


@pytest.mark.parametrize("how", ["breaks off", "closes", "never reads"])
def test_a_test_of_one_chunk_leaves_no_session_behind(transactional_db, alice, sessions, how):
    """What keeps a session keeps the test database from being dropped."""
    before = sessions()

    async def read_one_chunk():
        response = await AsyncClient().get(STREAM, headers=bearer(alice))
        assert response.status_code == 200
        if how == "closes":
            async with aclosing(aiter(response)) as chunks:
                await anext(chunks)
        if how == "breaks off":
            async for chunk in response:
                assert chunk.startswith(b"retry: ")
                break

    async_to_sync(read_one_chunk)()
    wait_until(lambda: sessions() <= before)


@pytest.mark.parametrize("path", ["/plain", "/de/live"])
@pytest.mark.parametrize("accept", ["*/*", "text/event-stream"])
async def test_a_log_that_goes_away_while_a_stream_is_opened_is_told_as_ever(
    ask, alice, hub, monkeypatch, path, accept
):
    """Only EventSource, which would give up on a 503, is told by a stream that ends."""
    monkeypatch.setattr(hub.home, "_query_seconds", 0.1)
    monkeypatch.setattr(hub.home, "_turn", None)  # the hub's worker gets no answer any more
    monkeypatch.setattr(type(hub.home), "away", None)  # and nobody has noticed yet
    rejected = counts.rejected["503 away"]
    async with ask(path, {**bearer(alice), "Accept": accept}) as answer:
        assert len(hub.streams) == 0
        if accept == "*/*":
            assert answer.status == 503
            assert answer.headers[b"content-type"] == b"application/json"
            assert int(answer.headers[b"retry-after"]) >= 1
            assert b"can't be reached" in answer.body
        else:
            assert answer.status == 200
            assert answer.body.startswith(b": The event log can't be reached.\n\nretry: ")
        assert counts.rejected["503 away"] == rejected + 1
