"""Requests for streams through the whole application, in this test's event loop."""

import asyncio
import selectors
import threading

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.db import SessionStore
from django.core.signals import request_finished, request_started
from django.db import connection
from django.http import HttpResponse, StreamingHttpResponse

from realtime.serving import request_threads
from realtime.serving.request_threads import RequestThreads
from realtime.serving.thread_loop import SelectorOfFew
from tests.clients import WAIT_SECONDS, bearer
from tests.realtime.serving.conftest import session_cookie
from tests.waiting import soon, until, wait_until


async def test_a_stream_is_open_while_its_request_has_ended(ask, alice, hub):
    ended = []
    request_finished.connect(lambda **_: ended.append(True), weak=False, dispatch_uid="test")
    try:
        async with ask(headers=bearer(alice)) as answer:
            assert answer.status == 200
            assert answer.body.startswith(b"retry: ")
            assert len(hub.streams) == 1
            assert ended == [True]
    finally:
        request_finished.disconnect(dispatch_uid="test")
    assert len(hub.streams) == 0


async def test_a_request_thread_gives_the_interpreters_lock_away_for_nothing_but_queries(
    ask, alice, monkeypatch
):
    """Each question to the kernel does: in a crowd, the next thread has it for a millisecond."""
    asked = []
    select = selectors.DefaultSelector.select

    def noted(self, timeout=None):
        asked.append(type(self))
        return select(self, timeout)

    monkeypatch.setattr(selectors.DefaultSelector, "select", noted)
    async with ask(headers=bearer(alice)) as answer:
        assert answer.status == 200
    assert selectors.DefaultSelector in asked  # by this test's own loop
    assert SelectorOfFew not in asked


@pytest.mark.parametrize("path", ["/decorated", "/guarded"])
async def test_what_a_project_puts_in_front_of_a_stream_is_asked(ask, alice, shop, hub, path):
    async with ask(path, await session_cookie(alice)) as answer:
        assert answer.status == 403
    async with ask(path, await session_cookie(shop)) as answer:
        assert answer.status == 200
        assert len(hub.streams) == 1


async def test_a_middleware_may_answer_instead(ask, alice, settings, hub):
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "tests.realtime.serving.test_request_threads.closed",
    ]
    async with ask(headers=bearer(alice)) as answer:
        assert (answer.status, answer.body) == (503, b"The shop is closed.")
    assert len(hub.streams) == 0


def closed(get_response):
    def middleware(request):
        get_response(request)
        return HttpResponse("The shop is closed.", status=503)

    return middleware


async def test_who_leaves_while_they_wait_for_a_thread_is_not_worked_on(monkeypatch):
    monkeypatch.setattr(request_threads, "PATIENCE_SECONDS", 0.01)
    threads = RequestThreads(1, query_seconds=10)
    goes_on, worked_on = threading.Event(), []

    def respond(scope):
        worked_on.append(scope["path"])
        assert goes_on.wait(WAIT_SECONDS)
        return HttpResponse()

    monkeypatch.setattr(threads.handler, "respond", respond)
    left, stays = asyncio.Event(), asyncio.Event()

    def ask(path, client):
        scope = {"path": path, "headers": []}
        return asyncio.create_task(threads.answer(scope, client.wait))

    first = ask("first", stays)
    await until(lambda: worked_on == ["first"])
    impatient, last = ask("impatient", left), ask("last", stays)
    left.set()
    assert await soon(impatient) is None
    goes_on.set()
    answers = await soon(asyncio.gather(first, last))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert worked_on == ["first", "last"]


async def test_a_middleware_may_stream_an_answer_of_its_own(ask, alice, settings):
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "tests.realtime.serving.test_request_threads.with_a_file",
    ]
    async with ask(headers=bearer(alice)) as answer:
        assert (answer.status, answer.body) == (200, b"The shop is closed.")


def with_a_file(get_response):
    def middleware(request):
        async def parts():
            yield b"The shop "
            yield b"is closed."

        return StreamingHttpResponse(parts())

    return middleware


async def test_a_middleware_may_add_to_the_answer(ask, alice, settings):
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "tests.realtime.serving.test_request_threads.with_a_cookie",
    ]
    async with ask(headers=bearer(alice)) as answer:
        headers = dict(answer.messages[0]["headers"])
        assert headers[b"Set-Cookie"].startswith(b"seen=yes;")
        assert b"X-Frame-Options" in headers


def with_a_cookie(get_response):
    def middleware(request):
        response = get_response(request)
        response.set_cookie("seen", "yes")
        return response

    return middleware


async def test_to_head_there_is_no_stream(ask, alice, hub):
    async with ask(headers=bearer(alice), method="HEAD") as answer:
        assert answer.status == 200
        assert not answer.body
    assert len(hub.streams) == 0


async def test_nobody_is_refused_without_a_stream(ask, hub):
    async with ask() as answer:
        assert answer.status == 401
        assert b"Sign in" in answer.body


async def test_opening_a_stream_by_token_asks_for_the_user_and_nothing_else(ask, alice, statements):
    headers = bearer(alice)
    async with ask(headers=headers):
        pass
    statements.clear()
    async with ask(headers=headers):
        assert len(statements) == 1


async def test_opening_a_stream_by_session_asks_for_the_session_and_the_user(
    ask, alice, statements
):
    headers = await session_cookie(alice)
    async with ask(headers=headers):
        pass
    statements.clear()
    async with ask(headers=headers):
        assert len(statements) == 2


async def test_a_crowd_takes_no_more_connections_than_there_are_threads(
    ask, alice, settings, sessions
):
    settings.REALTIME = {**settings.REALTIME, "REQUEST_THREADS": 2}
    headers, started = bearer(alice), []
    request_started.connect(lambda **_: started.append(True), weak=False, dispatch_uid="test")
    before = await sync_to_async(sessions)()
    most = 0

    async def visit():
        async with ask(headers=headers) as answer:
            assert answer.status == 200

    try:
        async with asyncio.TaskGroup() as group:
            crowd = [group.create_task(visit()) for _ in range(40)]
            while not all(one.done() for one in crowd):
                most = max(most, await sync_to_async(sessions)())
    finally:
        request_started.disconnect(dispatch_uid="test")
    assert len(started) == 40
    # The hub's own two may have come in the meantime.
    assert most - before <= 2 + 2


async def test_a_crowd_does_not_pass_a_limit_together(ask, alice, settings, hub):
    settings.REALTIME = {**settings.REALTIME, "MAX_STREAMS_PER_USER": 3}
    headers, all_answered, answers = bearer(alice), asyncio.Event(), []

    async def visit():
        async with ask(headers=headers) as answer:
            answers.append(answer.status)
            if len(answers) == 20:
                all_answered.set()
            await soon(all_answered.wait())

    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(visit())
    assert sorted(answers) == [200] * 3 + [429] * 17


async def test_its_threads_give_back_their_connections(ask, alice, sessions):
    before = await sync_to_async(sessions)()
    async with ask(headers=bearer(alice)):
        # The hub's own stay: one listens, one works, one looks after access.
        await sync_to_async(wait_until)(lambda: sessions() <= before + 3)


async def test_a_database_that_hangs_is_hung_up_on(ask, settings, monkeypatch, caplog, elsewhere):
    """Otherwise a few requests would hold all the threads there are."""
    settings.REALTIME = {**settings.REALTIME, "QUERY_SECONDS": 0.5}

    def load(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(60)")

    monkeypatch.setattr(SessionStore, "load", load)
    async with ask(headers={"Cookie": "sessionid=whatever"}) as answer:
        assert answer.status == 503
    assert "Hung up on a database that does not answer" in caplog.text
    elsewhere().execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)'"
    )


async def test_a_client_that_left_before_it_was_let_in_leaves_nothing(ask, alice, hub):
    async with ask(headers=bearer(alice)) as answer:
        answer.left.set()
        await until(lambda: len(hub.streams) == 0)
