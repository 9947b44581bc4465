"""A crowd's requests: who they are is looked up for all at once, and decided for each."""

import asyncio
import gc
import threading
from typing import ClassVar

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.backends.db import SessionStore
from django.core.signals import request_started

from realtime.log.topics import Selection
from tests.clients import bearer
from tests.waiting import soon, until

from .conftest import session_cookie


@pytest.fixture
def crowd(ask, settings, statements):
    """Sends requests that all wait before the first is answered; the statuses of the others.

    It is answered alone, and the others are what waits together.
    """
    settings.REALTIME = {**settings.REALTIME, "REQUEST_THREADS": 1}
    all_are_here = threading.Event()
    hold = lambda **_: all_are_here.wait(10)  # noqa: E731

    async def crowd(first, *headers, while_open=None, **scope):
        async def one(headers):
            async with ask(headers=headers, **scope) as answer:
                statuses[id(headers)] = answer.status
                if len(statuses) == len(everybody):
                    if while_open is not None:
                        await while_open()
                    all_answered.set()
                await soon(all_answered.wait())

        everybody = [dict(first), *map(dict, headers)]
        statuses, all_answered = {}, asyncio.Event()
        request_started.connect(hold, dispatch_uid="crowd")
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(headers)) for headers in everybody]
                await asyncio.sleep(0)  # each has begun
                statements.clear()
                all_are_here.set()
                del tasks
        finally:
            request_started.disconnect(dispatch_uid="crowd")
        return [statuses[id(headers)] for headers in everybody[1:]]

    yield crowd
    all_are_here.set()


async def test_the_users_of_a_crowd_are_one_query(crowd, alice, bob, hub, statements):
    followed = []

    async def look():
        followed.extend(stream.access.user for stream in hub.streams)

    headers = [bearer(alice), bearer(bob)] * 5
    assert await crowd(bearer(alice), *headers, while_open=look) == [200] * 10
    # One more for the first, if it was alone when the thread took it up.
    assert len([one for one in statements if "auth_user" in one]) <= 2
    assert sorted(followed) == sorted([str(alice.pk)] * 6 + [str(bob.pk)] * 5)


async def test_each_of_a_crowd_is_let_in_or_refused_by_itself(crowd, alice, bob, carol_who_left):
    headers = [bearer(bob), bearer(carol_who_left), {}, {"Authorization": "Bearer nonsense"}]
    assert await crowd(bearer(alice), *headers) == [200, 401, 401, 401]


@pytest.fixture
def carol_who_left(django_user_model):
    return django_user_model.objects.create_user("carol", is_active=False)


async def test_a_permission_is_one_query_for_a_crowd(crowd, alice, shop, hub, statements):
    async def look():
        assert [type(stream.topics) for stream in hub.streams].count(Selection) == 4

    headers = [bearer(shop), bearer(alice), bearer(shop), bearer(shop)]
    statuses = await crowd(
        bearer(shop), *headers, while_open=look, path="/orders/realtime", query_string=b"scope=all"
    )
    assert statuses == [200, 403, 200, 200]
    # The first's user, if it was alone; the others'; their permission.
    assert len(statements) <= 3


class Stern(ModelBackend):
    def has_perm(self, user_obj, perm, obj=None):
        return user_obj.username == "alice"


async def test_a_backend_of_a_projects_own_decides_about_each_of_a_crowd(
    crowd, alice, bob, settings
):
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Stern"]
    headers = [bearer(alice), bearer(bob)]
    statuses = await crowd(
        bearer(alice), *headers, path="/orders/realtime", query_string=b"scope=all"
    )
    assert statuses == [200, 403]


async def test_among_tenants_nobody_is_looked_up_before_the_projects_middleware(
    crowd, alice, settings, statements
):
    """It chooses the tables that they are in."""
    settings.REALTIME = {
        **settings.REALTIME,
        "REQUEST_THREADS": 1,
        "TENANT": f"{__name__}.tenant",
    }
    assert await crowd(bearer(alice), *[bearer(alice)] * 3) == [200] * 3
    assert len([one for one in statements if "auth_user" in one]) == 4


def tenant():
    return "north"


async def test_who_is_deactivated_after_they_were_looked_up_loses_the_stream_at_once(
    crowd, ask, alice, bob, hub
):
    """Behind Django's back: nobody is notified."""
    started = []

    def deactivate(**_):
        started.append(True)
        if len(started) == 2:  # the first of those that were looked up together
            type(bob).objects.filter(pk=bob.pk).update(is_active=False)

    async def see_its_end():
        [stream] = [one for one in hub.streams if one.access.user == str(bob.pk)]
        await until(lambda: stream.end_reason is not None)

    request_started.connect(deactivate, dispatch_uid="deactivate")
    try:
        statuses = await crowd(bearer(alice), bearer(alice), bearer(bob), while_open=see_its_end)
    finally:
        request_started.disconnect(dispatch_uid="deactivate")
    assert statuses == [200, 200]
    assert len(started) == 3


async def test_the_sessions_of_a_crowd_and_their_users_are_one_query_each(
    crowd, alice, bob, hub, statements
):
    followed = []

    async def look():
        followed.extend((one.access.user, one.access.session_key) for one in hub.streams)

    headers = [await session_cookie(user) for user in [alice, bob] * 5]
    assert await crowd(headers[0], *headers, while_open=look) == [200] * 10
    # One more of each for the first, if it was alone when the thread took it up.
    assert len([one for one in statements if "django_session" in one]) <= 2
    assert len([one for one in statements if "auth_user" in one]) <= 2
    keys = [header["Cookie"].removeprefix("sessionid=") for header in headers]
    expected = zip([str(alice.pk), str(bob.pk)] * 5, keys, strict=True)
    assert sorted(followed) == sorted([*expected, (str(alice.pk), keys[0])])


async def test_each_session_of_a_crowd_is_let_in_or_refused_as_django_does(
    crowd, alice, bob, carol_who_left, statements
):
    gone, renewed = await session_cookie(bob), await session_cookie(alice)
    await sync_to_async(end_session)(gone)
    await sync_to_async(change_password)(alice)  # of which only the newest session knows
    hers = await session_cookie(alice)
    headers = [
        await session_cookie(bob),
        await session_cookie(carol_who_left),
        gone,
        renewed,
        hers,
        {"Cookie": "sessionid=../etc"},
        {},
    ]
    assert await crowd(hers, *headers) == [200, 401, 401, 401, 200, 401, 401]


def end_session(headers):
    SessionStore(headers["Cookie"].removeprefix("sessionid=")).delete()


def change_password(user):
    user.set_password("another one")
    user.save()


async def test_two_requests_with_one_session_share_nothing(crowd, alice, settings, noted):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.Noting"]
    hers = await session_cookie(alice)
    assert await crowd(hers, hers, hers) == [200] * 2
    data, users = zip(*noted[-2:], strict=True)
    assert data[0] == data[1]
    assert data[0] is not data[1]
    assert users[0] == users[1]
    assert users[0] is not users[1]


async def test_a_permission_is_one_query_for_a_crowd_of_sessions(crowd, alice, shop, statements):
    headers = [await session_cookie(user) for user in (shop, alice, shop)]
    statuses = await crowd(headers[0], *headers, path="/orders/realtime", query_string=b"scope=all")
    assert statuses == [200, 403, 200]
    # Alice's own and those of her groups would be two; who manages the shop needs none.
    assert len([one for one in statements if "permission" in one]) == 1


class Choosy(ModelBackend):
    def get_user(self, user_id):
        user = super().get_user(user_id)
        return user if user.username == "alice" else None


class OwnAuthentication(AuthenticationMiddleware):
    pass


class Noting:
    """A project's middleware, which notes what was found when the view has been."""

    seen: ClassVar = []

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        self.seen.append((request.session._session, request.user._wrapped))
        return response


@pytest.fixture
def noted():
    Noting.seen.clear()
    return Noting.seen


async def test_a_backend_of_a_projects_own_says_who_has_each_session(crowd, alice, bob, settings):
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Choosy"]
    headers = [await session_cookie(alice), await session_cookie(bob)]
    assert await crowd(headers[0], *headers) == [200, 401]


@pytest.mark.parametrize(
    "own",
    [
        {"SESSION_ENGINE": "django.contrib.sessions.backends.cached_db"},
        {"SESSION_SAVE_EVERY_REQUEST": True},
        {
            "MIDDLEWARE": [
                "django.contrib.sessions.middleware.SessionMiddleware",
                f"{__name__}.OwnAuthentication",
            ]
        },
    ],
    ids=lambda own: next(iter(own)),
)
async def test_sessions_are_looked_up_one_by_one_where_django_is_not_as_it_was(
    crowd, alice, settings, statements, own
):
    for name, value in own.items():
        setattr(settings, name, value)
    headers = await session_cookie(alice)
    assert await crowd(headers, headers, headers) == [200] * 2
    assert len([one for one in statements if "SELECT" in one and "auth_user" in one]) == 3


@pytest.mark.parametrize("credentials", [sync_to_async(bearer), session_cookie])
async def test_a_crowd_leaves_nothing_to_the_garbage_collector(crowd, alice, bob, credentials):
    """What refers to itself stays for as long as open streams are put aside, see garbage.py."""
    headers = [await credentials(user) for user in [alice, bob] * 5]
    of_a_request = {
        *("ASGIRequest", "DjangoDeadline", "EventStreamResponse", "EventStreamView", "Handover"),
        *("Prefetch", "Prefetched", "SessionStore", "User", "WaitingRequest"),
    }
    found = []

    async def look():
        gc.collect()
        found.extend(of_a_request.intersection(type(one).__name__ for one in gc.garbage))

    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        assert await crowd(headers[0], *headers, while_open=look) == [200] * 10
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert found == []
