"""Access ends when it ends; through Django's own handler, in the test's event loop."""

import asyncio
import time
from contextlib import aclosing
from types import SimpleNamespace

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.apps import apps
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.models import Group, Permission
from django.contrib.sessions.backends import cache, cached_db, file, signed_cookies
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connections, transaction
from django.db.models.signals import m2m_changed, post_delete, post_init, post_save
from django.test import AsyncClient
from django.test.utils import CaptureQueriesContext, isolate_apps
from django.utils import timezone
from rest_framework_simplejwt.models import TokenUser
from rest_framework_simplejwt.tokens import AccessToken

import realtime
from orders.models import Order
from realtime.access import grants, revocation
from realtime.access.authentication import SignedIn
from realtime.access.grants import Grant, ended
from realtime.access.revocation import tell_of_deletion
from realtime.hub import access_monitor
from realtime.hub.hub import Hub
from realtime.hub.open_streams import DRAINED
from realtime.hub.replays import Replays
from realtime.hub.stream import EventStream
from realtime.log import wire
from realtime.log.cursor import Cursor
from tests.realtime.conftest import cursor_at, in_thread, publish, unmarked
from tests.waiting import soon, until

URL = "/orders/realtime"
END_SECONDS = 2  # what is promised


class Reader:
    """Somebody who reads a stream."""

    def __init__(self, response):
        assert response.status_code == 200
        self.chunks = response.streaming_content

    async def sees_its_end(self):
        async with asyncio.timeout(END_SECONDS):
            async for _ in self.chunks:
                pass

    async def gets(self, recipient, data):
        """What is published now, for the stream was not closed."""
        await publish(recipient, data)
        async with asyncio.timeout(10):
            async for chunk in self.chunks:
                if chunk.endswith(f"data: {data}\n\n".encode()):
                    return
        raise AssertionError("The stream ended.")


@pytest.fixture
def no_clock(monkeypatch):
    """Nothing is looked at because its time has come."""
    monkeypatch.setattr(access_monitor, "CLOCK_SECONDS", 3600)


@pytest.fixture
def hints_only(no_clock, monkeypatch):
    """What is closed was closed because of a hint."""
    monkeypatch.setattr(access_monitor.AccessMonitor, "check_all", lambda self: None)


@pytest.fixture
def no_hints(monkeypatch, settings):
    """A clock that runs fast, and nothing is heard."""
    monkeypatch.setattr(access_monitor, "CLOCK_SECONDS", 0.05)
    monkeypatch.setattr(access_monitor.AccessMonitor, "hear", lambda self, payload: None)
    settings.REALTIME = {**settings.REALTIME, "ACCESS_CHECK_SECONDS": 0.1}


@pytest.fixture
async def reads(transactional_db):
    """Opens a stream for a user, signed in by a session of their own unless they bring a token."""
    readers = []

    async def reads(user, query="", token=None, client=None):
        client = client or AsyncClient()
        headers = {}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        elif "sessionid" not in client.cookies:
            await in_thread(client.force_login, user)
        reader = Reader(await client.get(URL + query, headers=headers))
        await soon(anext(reader.chunks))
        readers.append(reader)
        hub = Hub.current()
        await until(lambda: hub.home.state.listening_since is not None)
        return reader

    yield reads
    for reader in readers:
        async with aclosing(reader.chunks):
            pass
    await Hub.close_current()
    # The test client leaves open the connection of the thread that authenticates.
    await sync_to_async(connections.close_all)()


def change_password(user):
    user.set_password("another one")
    user.save()


def deactivate(user):
    user.is_active = False
    user.save()


def view_order():
    return Permission.objects.get(codename="view_order")


@pytest.mark.usefixtures("hints_only")
@pytest.mark.parametrize("signed_in_by", ["session", "token"])
@pytest.mark.parametrize("end", [change_password, deactivate, lambda user: user.delete()])
async def test_it_ends_with_the_password_or_the_account(reads, alice, bob, end, signed_in_by):
    token = AccessToken.for_user(alice) if signed_in_by == "token" else None
    hers, also_hers = await reads(alice, token=token), await reads(alice, token=token)
    his = await reads(bob)
    await in_thread(end, alice)
    await hers.sees_its_end()
    await also_hers.sees_its_end()
    await his.gets(bob, 1)


async def test_it_ends_when_all_tables_are_flushed(reads, alice, hints_only):
    """By `manage.py flush`, which deletes every user without a signal of their own."""
    reader = await reads(alice)
    await in_thread(call_command, "flush", "--no-input", verbosity=0)
    await reader.sees_its_end()


@pytest.mark.usefixtures("hints_only")
async def test_a_logout_ends_the_streams_of_that_session_only(reads, alice):
    client = AsyncClient()
    here, elsewhere = await reads(alice, client=client), await reads(alice)
    with_token = await reads(alice, token=AccessToken.for_user(alice))
    await client.post("/logout/")
    await here.sees_its_end()
    await elsewhere.gets(alice, 1)
    await with_token.gets(alice, 2)


@pytest.mark.usefixtures("hints_only")
@pytest.mark.parametrize("flush", [SessionStore.flush, async_to_sync(SessionStore.aflush)])
async def test_it_ends_with_a_session_that_is_flushed(reads, alice, flush):
    client = AsyncClient()
    here, elsewhere = await reads(alice, client=client), await reads(alice)
    await in_thread(flush, SessionStore(client.cookies["sessionid"].value))
    await here.sees_its_end()
    await elsewhere.gets(alice, 1)


def leave_the_group(user):
    user.groups.clear()


def be_taken_from_the_group(user):
    Group.objects.get().user_set.remove(user)


def take_it_from_the_group(user):
    Group.objects.get().permissions.remove(view_order())


def delete_the_group(user):
    Group.objects.get().delete()


@pytest.mark.usefixtures("hints_only")
@pytest.mark.parametrize(
    "end", [leave_the_group, be_taken_from_the_group, take_it_from_the_group, delete_the_group]
)
async def test_everybodys_events_end_with_the_permission_of_a_group(reads, alice, shop, end):
    def let_alice_see_all():
        group = Group.objects.create(name="packers")
        group.permissions.add(view_order())
        alice.groups.add(group)

    await in_thread(let_alice_see_all)
    of_all, her_own = await reads(alice, "?scope=all"), await reads(alice)
    of_the_shop = await reads(shop, "?scope=all")
    await in_thread(end, alice)
    await of_all.sees_its_end()
    await her_own.gets(alice, 1)
    await of_the_shop.gets(alice, 2)


@pytest.mark.usefixtures("hints_only")
async def test_everybodys_events_end_with_a_permission_of_ones_own(reads, alice):
    await in_thread(lambda: alice.user_permissions.add(view_order()))
    of_all, her_own = await reads(alice, "?scope=all"), await reads(alice)
    await in_thread(lambda: alice.user_permissions.remove(view_order()))
    await of_all.sees_its_end()
    await her_own.gets(alice, 1)


@pytest.mark.usefixtures("hints_only")
async def test_everybodys_events_end_when_a_superuser_is_none_any_more(reads, shop):
    of_all, its_own = await reads(shop, "?scope=all"), await reads(shop)
    shop.is_superuser = False
    await in_thread(shop.save)
    await of_all.sees_its_end()
    await its_own.gets(shop, 1)


@pytest.mark.usefixtures("hints_only")
async def test_it_goes_on_after_what_takes_nothing_away(reads, alice, bob):
    hers = await reads(alice)

    def live_on():
        alice.first_name = "Alice"
        alice.save()
        bob.delete()
        with pytest.raises(RuntimeError), transaction.atomic():
            deactivate(alice)
            raise RuntimeError("and so it is rolled back")

    await in_thread(live_on)
    await hers.gets(alice, 1)


async def test_it_ends_with_its_token(reads, alice):
    token = AccessToken.for_user(alice)
    token["exp"] = int(time.time()) + 2
    ends_at = token["exp"]
    longer = await reads(alice, token=AccessToken.for_user(alice))
    hers = await reads(alice, token=token)
    async with asyncio.timeout_at(asyncio.get_running_loop().time() + ends_at - time.time() + 2):
        async for _ in hers.chunks:
            pass
    assert time.time() >= ends_at
    await longer.gets(alice, 1)


async def test_a_renewed_token_goes_on_from_the_same_cursor(reads, alice):
    await publish(alice, 1, 2)
    token = AccessToken.for_user(alice)
    token["exp"] = int(time.time()) + 2
    old = await reads(alice, "?last_event_id=0", token=token)
    seen = b""
    async with asyncio.timeout(6):
        async for chunk in old.chunks:
            seen += chunk
    assert wire.event(Cursor(2, None), "orders", "2") in unmarked(seen)
    await publish(alice, 3)
    new = await reads(
        alice, f"?last_event_id={await cursor_at(2)}", token=AccessToken.for_user(alice)
    )
    assert unmarked(await soon(anext(new.chunks))) == wire.event(Cursor(3, None), "orders", "3")


async def test_it_ends_when_its_session_expires(reads, alice, monkeypatch):
    monkeypatch.setattr(access_monitor, "CLOCK_SECONDS", 0.1)
    client = AsyncClient()
    await in_thread(client.force_login, alice)

    def expire():
        session = SessionStore(client.cookies["sessionid"].value)
        session.set_expiry(1)
        session.save()

    await in_thread(expire)
    here, elsewhere = await reads(alice, client=client), await reads(alice)
    async with asyncio.timeout(1 + END_SECONDS):
        async for _ in here.chunks:
            pass
    await elsewhere.gets(alice, 1)


@pytest.mark.usefixtures("no_hints")
async def test_what_no_hint_has_told_is_found_by_looking(reads, alice, bob):
    client = AsyncClient()
    hers, his = await reads(alice, client=client), await reads(bob)
    session = await in_thread(Session.objects.filter, pk=client.cookies["sessionid"].value)
    await in_thread(session.delete)  # which goes past the session store
    await hers.sees_its_end()
    hers = await reads(alice)
    users = type(alice).objects.filter(pk=alice.pk)
    await in_thread(users.update, is_active=False)  # which sends no signal
    await hers.sees_its_end()
    await his.gets(bob, 1)


async def test_what_ends_between_sign_in_and_first_byte_is_found_at_once(
    reads, alice, bob, monkeypatch
):
    """Before the guard watches over a stream, a hint finds nobody whom it concerns."""
    await reads(bob)  # so that hints are heard
    stream = HeldUp(Hub, "catch_up", monkeypatch)  # between sign-in and stream
    opening = asyncio.create_task(reads(alice))
    await soon(stream.began.wait())
    await in_thread(deactivate, alice)
    stream.go_on.set()
    await (await soon(opening)).sees_its_end()


@pytest.mark.usefixtures("hints_only")
async def test_a_replay_that_was_under_way_is_not_sent_any_more(reads, alice, monkeypatch):
    await reads(alice)
    await publish(alice, 1)
    hub = Hub.current()
    async with asyncio.timeout(10):
        while (tail := await hub.catch_up("default")).position < 1:
            pass
    tail.restart(tail.cursor)  # so that it is read from the table
    replay = HeldUp(Replays, "read", monkeypatch)
    closed = asyncio.Event()
    monkeypatch.setattr(EventStream, "close", _telling(EventStream.close, closed))
    hers = await reads(alice, "?last_event_id=0")
    reading = asyncio.create_task(anext(hers.chunks))
    await soon(replay.began.wait())
    await in_thread(deactivate, alice)
    await soon(closed.wait())
    replay.go_on.set()
    with pytest.raises(StopAsyncIteration):
        await soon(reading)


def _telling(method, called):
    def call(*args):
        method(*args)
        called.set()

    return call


class HeldUp:
    """A coroutine method that waits at its beginning."""

    def __init__(self, owner, name, monkeypatch):
        self.began, self.go_on = asyncio.Event(), asyncio.Event()
        method = getattr(owner, name)

        async def held_up(*args, **kwargs):
            self.began.set()
            await self.go_on.wait()
            return await method(*args, **kwargs)

        monkeypatch.setattr(owner, name, held_up)


@pytest.mark.usefixtures("no_clock")
async def test_hints_missed_while_nobody_listened_are_made_up_for(reads, alice, elsewhere):
    hers = await reads(alice)
    connections_of_the_hub = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'realtime'"
    )

    def deactivate_unheard():
        type(alice).objects.filter(pk=alice.pk).update(is_active=False)
        elsewhere().execute(connections_of_the_hub)

    await in_thread(deactivate_unheard)
    await hers.sees_its_end()


@pytest.mark.usefixtures("no_hints")
async def test_a_database_that_is_away_ends_nothing(reads, alice, monkeypatch, caplog):
    looked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def away(accesses):
        loop.call_soon_threadsafe(looked.set)
        raise access_monitor.DatabaseError("no route to host")

    hers = await reads(alice)
    monkeypatch.setattr(access_monitor, "ended", away)
    await soon(looked.wait())
    await hers.gets(alice, 1)
    assert "no route to host" in caplog.text
    monkeypatch.undo()
    await in_thread(deactivate, alice)
    await hers.sees_its_end()


@pytest.mark.usefixtures("hints_only")
async def test_a_hint_has_only_the_streams_concerned_looked_at(reads, alice, bob, monkeypatch):
    look = access_monitor.ended
    looked_at = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def looking(accesses):
        loop.call_soon_threadsafe(looked_at.put_nowait, {access.user for access in accesses})
        return look(accesses)

    monkeypatch.setattr(access_monitor, "ended", looking)
    await reads(alice)
    await reads(bob)
    bob.first_name = "Bob"
    await in_thread(bob.save)
    await soon(looked_at.get())  # at her stream too, for it has just been opened
    await in_thread(bob.save)
    assert await soon(looked_at.get()) == {str(bob.pk)}


async def test_thousands_of_streams_are_looked_at_with_one_query_for_each_500(
    transactional_db, alice, bob, django_assert_num_queries
):
    def look():
        accesses = [Grant(str(user.pk), True) for user in (alice, bob) * 1000]
        deactivate(bob)
        with django_assert_num_queries(4):
            found = ended(accesses)
        assert {access.user for access in found} == {str(bob.pk)}
        assert len(found) == 1000

    await in_thread(look)


@pytest.mark.parametrize("end", [change_password, deactivate, lambda user: user.delete()])
async def test_a_user_who_is_as_at_the_last_look_is_not_loaded_again(
    transactional_db, alice, bob, end, django_assert_num_queries
):
    """Nor is a digest of their password made, which takes as long."""
    loaded = []
    note = lambda instance, **_: loaded.append(instance.pk)  # noqa: E731
    both = [
        Grant(str(user.pk), True, auth_hash=user.get_session_auth_hash()) for user in (alice, bob)
    ]

    def look():
        assert ended(both) == []
        post_init.connect(note, sender=type(alice))
        try:
            with django_assert_num_queries(1):
                assert ended(both) == []
            assert loaded == []
            key = alice.pk
            end(alice)
            assert ended(both) == both[:1]
            assert set(loaded) <= {key}
        finally:
            post_init.disconnect(note, sender=type(alice))

    await in_thread(look)


async def test_a_user_model_with_rules_of_its_own_is_asked_at_each_look(
    transactional_db, alice, monkeypatch
):
    own_hash = lambda user: f"hash of {user.first_name}"  # noqa: E731
    monkeypatch.setattr(type(alice), "get_session_auth_hash", own_hash)
    grants._are_active_by_row.cache_clear()
    hers = Grant(str(alice.pk), True, auth_hash=alice.get_session_auth_hash())

    def look():
        assert ended([hers]) == []
        type(alice).objects.filter(pk=alice.pk).update(first_name="Alice")
        assert ended([hers]) == [hers]

    try:
        await in_thread(look)
    finally:
        grants._are_active_by_row.cache_clear()


@pytest.mark.usefixtures("no_hints")
async def test_looking_takes_one_session_and_keeps_it_while_there_are_streams(
    reads, alice, elsewhere
):
    """Where no more sessions are to be had, it needs no new one."""
    looked = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
        "AND query LIKE 'SELECT%%django_session%%' AND pid <> %s"
    )
    own = elsewhere()
    await sync_to_async(connections.close_all)()
    hers = await reads(alice)
    await sync_to_async(connections.close_all)()  # of the client's own thread

    def found():
        return own.execute(looked, [own.info.backend_pid]).fetchall()

    await until(found)
    first = found()
    assert len(first) == 1
    for _ in range(5):
        Hub.current().access_monitor.check_all()
        await asyncio.sleep(0.05)
    assert found() == first
    for stream in Hub.current().streams:
        stream.close(DRAINED)
    await hers.sees_its_end()
    await until(lambda: not found())


async def test_a_hint_waits_for_the_commit(transactional_db, alice):
    """A NOTIFY in a transaction that wrote holds a lock of the whole cluster at its commit."""

    def statements():
        with CaptureQueriesContext(connections["default"]) as queries, transaction.atomic():
            deactivate(alice)
        return [query["sql"] for query in queries]

    *_, commit, hint = await in_thread(statements)
    assert commit == "COMMIT"
    assert hint.startswith("SELECT pg_notify(")


async def test_a_hint_holds_no_session_key(reads, alice, elsewhere):
    client = AsyncClient()
    await reads(alice, client=client)
    key = client.cookies["sessionid"].value

    def listen_to_the_logout():
        listener = elsewhere()
        listener.execute("LISTEN realtime_access")
        SessionStore(key).flush()
        [hint] = listener.notifies(timeout=10, stop_after=1)
        return hint.payload

    payload = await in_thread(listen_to_the_logout)
    assert payload.startswith("credential ")
    assert key not in payload


@pytest.fixture
def store(request, settings, tmp_path, monkeypatch):
    """The session store of a backend, in force and told to tell."""
    settings.SESSION_ENGINE = request.param.__name__
    settings.SESSION_FILE_PATH = str(tmp_path)
    store = request.param.SessionStore
    monkeypatch.setattr(store, "delete", store.delete)
    monkeypatch.setattr(store, "adelete", store.adelete)
    tell_of_deletion(store)
    return store


every_other_store = pytest.mark.parametrize(
    "store", [cache, cached_db, file], indirect=True, ids=lambda module: module.__name__
)


@every_other_store
@pytest.mark.usefixtures("hints_only")
async def test_it_ends_with_the_session_of_any_store(store, reads, alice):
    client = AsyncClient()
    here, elsewhere = await reads(alice, client=client), await reads(alice)
    await in_thread(store(client.cookies["sessionid"].value).flush)
    await here.sees_its_end()
    await elsewhere.gets(alice, 1)


@every_other_store
@pytest.mark.usefixtures("no_hints")
async def test_the_session_of_any_store_is_looked_at(store, reads, alice, monkeypatch):
    client = AsyncClient()
    here, elsewhere = await reads(alice, client=client), await reads(alice)
    monkeypatch.setattr(revocation, "end_credential", lambda secret: None)
    await in_thread(store(client.cookies["sessionid"].value).flush)
    await here.sees_its_end()
    await elsewhere.gets(alice, 1)


@pytest.mark.parametrize("store", [signed_cookies], indirect=True, ids=["signed_cookies"])
@pytest.mark.usefixtures("hints_only")
async def test_a_logout_ends_even_what_only_the_cookie_knows(store, reads, alice):
    client = AsyncClient()
    here = await reads(alice, client=client)
    await client.post("/logout/")
    await here.sees_its_end()


def user_by_name(request):
    """An authenticator as a project may have written it, which knows nothing but the user."""
    return get_user_model().objects.filter(username=request.GET["user"]).first()


@pytest.mark.usefixtures("hints_only")
async def test_an_authenticator_may_return_a_plain_user(reads, alice, settings):
    settings.REALTIME = {**settings.REALTIME, "AUTHENTICATION": [f"{__name__}.user_by_name"]}
    hers = await reads(alice, "?user=alice")
    await in_thread(change_password, alice)  # of which such a sign-in knows nothing
    await hers.gets(alice, 1)
    await in_thread(deactivate, alice)
    await hers.sees_its_end()


def test_a_user_without_a_row_is_not_looked_up(db):
    access = SignedIn(TokenUser({"user_id": 7})).access()
    assert access.user == "7"
    assert ended([access]) == []


def test_a_session_key_that_was_replaced_is_as_good_as_the_new(db, alice, settings):
    """Django accepts the old hash as long as the old SECRET_KEY is named as a fallback."""
    auth_hash = alice.get_session_auth_hash()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key, of at least fifty characters, for all that is signed"
    assert ended([Grant(str(alice.pk), True, auth_hash=auth_hash)]) == []
    settings.SECRET_KEY_FALLBACKS = []
    in_another_process = Grant(str(alice.pk), True, auth_hash=auth_hash)
    assert ended([in_another_process]) == [in_another_process]


def test_a_session_that_was_prolonged_goes_on(db, alice):
    session = SessionStore()
    session["_auth_user_id"] = str(alice.pk)
    session.create()
    access = Grant("7", session_key=session.session_key, ends_at=time.time() - 1)
    assert ended([access]) == []
    assert access.ends_at > time.time()
    Session.objects.update(expire_date=timezone.now())
    assert ended([access]) == [access]


@pytest.fixture
def heard(monkeypatch):
    """What is notified; and receivers that are connected meanwhile are taken away again."""
    payloads = []
    monkeypatch.setattr(
        revocation, "_notify_after_commit", lambda payload, using=None: payloads.append(payload)
    )
    signals = [m2m_changed, post_save, post_delete]
    receivers = [list(signal.receivers) for signal in signals]
    yield payloads
    for signal, own in zip(signals, receivers, strict=True):
        signal.receivers = own
        signal.sender_receivers_cache.clear()


@pytest.mark.django_db
def test_a_user_who_is_saved_as_a_proxy_is_looked_at(alice, heard, monkeypatch):
    """As by an admin of its own: Django's signals name the class of the instance."""
    user_model = get_user_model()
    with isolate_apps("tests"):

        class Customer(user_model):
            class Meta:
                proxy = True
                app_label = "tests"

    models = [*apps.get_models(include_auto_created=True), Customer]
    monkeypatch.setattr(revocation.apps, "get_models", lambda **kwargs: models)
    monkeypatch.setattr(revocation, "tell_of_deletion", lambda store: None)  # it does so already
    revocation.connect()
    customer = Customer.objects.get(pk=alice.pk)
    customer.is_active = False
    customer.save()
    assert heard == [f"user {alice.pk}"]
    customer.delete()
    assert heard[1:] == [f"user {alice.pk}"]


@pytest.mark.django_db
def test_members_by_a_model_of_its_own_are_looked_at(alice, heard):
    """`through=`: to save or delete a row of it sends no m2m_changed. An order stands for one."""
    realtime.recheck_when_changed(SimpleNamespace(through=Order))
    order = Order.objects.create(customer=alice, product="Cups", quantity=1, unit_price="4.50")
    assert f"user {alice.pk}" in heard
    heard.clear()
    order.save()
    assert "permissions " in heard
    heard.clear()
    order.delete()
    assert f"user {alice.pk}" in heard


class ReadsFromReplica:
    def db_for_read(self, model, **hints):
        return "a replica that is behind"

    def db_for_write(self, model, **hints):
        return "default"


@pytest.mark.django_db
def test_whether_an_access_holds_is_read_from_where_it_is_written(alice, settings):
    """A replica may be behind, and the look that a notification causes is only one."""
    session = SessionStore()
    session[SESSION_KEY] = str(alice.pk)
    session.create()
    settings.DATABASE_ROUTERS = [f"{__name__}.ReadsFromReplica"]
    grant = Grant(user=str(alice.pk), is_in_table=True, session_key=session.session_key)
    assert ended([grant]) == []
    assert ended([grant]) == []  # again, as one whose user is known
    settings.DATABASE_ROUTERS = []
    get_user_model().objects.filter(pk=alice.pk).update(is_active=False)
    settings.DATABASE_ROUTERS = [f"{__name__}.ReadsFromReplica"]
    assert ended([grant]) == [grant]
