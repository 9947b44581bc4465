"""Who gets a stream, and what the others are told; through Django's own ASGI handler."""

import asyncio
import sys
from contextlib import aclosing
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.contrib.sessions.backends.db import SessionStore
from django.db import InterfaceError, OperationalError
from django.test import AsyncClient
from rest_framework_simplejwt.tokens import AccessToken

import realtime
from realtime.log import wire
from realtime.log.cursor import START, Cursor
from tests.clients import STREAM, bearer
from tests.waiting import soon

from .conftest import in_thread, publish, unmarked


async def beginning(response):
    """The first chunk of a stream."""
    async with aclosing(aiter(response)) as chunks:
        return await soon(anext(chunks))


async def test_nobody_gets_nothing(client):
    response = await client.get(STREAM)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="events"'
    assert "Authorization: Bearer" in response.json()["detail"]


async def test_a_session_opens_a_stream(client, alice):
    await in_thread(AsyncClient.force_login, client, alice)
    response = await client.get(STREAM)
    assert response.status_code == 200
    assert (await beginning(response)).endswith(wire.heartbeat(START))


async def test_an_access_token_opens_a_stream(client, alice):
    response = await client.get(STREAM, headers=bearer(alice))
    assert response.status_code == 200
    assert (await beginning(response)).endswith(wire.heartbeat(START))


async def test_its_headers_let_nothing_hold_it_back(client, alice):
    response = await client.get(STREAM, headers=bearer(alice))
    assert response["Content-Type"] == "text/event-stream"
    assert response["Cache-Control"] == "no-cache, no-transform"
    assert response["X-Accel-Buffering"] == "no"
    await beginning(response)


async def test_head_answers_as_get_but_opens_no_stream(client, alice, hub):
    response = await client.head(STREAM, headers=bearer(alice))
    assert response.status_code == 200
    assert response["Content-Type"] == "text/event-stream"
    assert hub.tail("default") is None
    assert (await client.head(STREAM)).status_code == 401


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options", "trace"])
async def test_other_methods_are_not_allowed(method, alice):
    client = AsyncClient(enforce_csrf_checks=True)
    response = await getattr(client, method)(STREAM)
    assert response.status_code == 405
    assert response["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer x", "Bearer a b c", "bearer eyJhbGciOiJub25lIn0.e30."]
)
async def test_a_wrong_token_is_told_so_even_with_a_session(client, alice, header):
    await in_thread(AsyncClient.force_login, client, alice)
    response = await client.get(STREAM, headers={"authorization": header})
    assert response.status_code == 401
    assert 'error="invalid_token"' in response["WWW-Authenticate"]


async def test_a_project_without_simplejwt_refuses_tokens(client, alice, monkeypatch):
    headers = bearer(alice)
    monkeypatch.setitem(sys.modules, "rest_framework_simplejwt.authentication", None)
    response = await client.get(STREAM, headers=headers)
    assert response.status_code == 401
    assert response.json() == {"detail": "This site takes no access tokens."}


async def test_an_expired_token_is_refused(client, alice):
    token = AccessToken.for_user(alice)
    token.set_exp(lifetime=-timedelta(seconds=1))
    response = await client.get(STREAM, headers={"authorization": f"Bearer {token}"})
    assert response.status_code == 401


async def test_a_deactivated_user_gets_nothing(client, alice):
    await in_thread(AsyncClient.force_login, client, alice)
    alice.is_active = False
    await in_thread(alice.save)
    assert (await client.get(STREAM)).status_code == 401
    assert (await client.get(STREAM, headers=bearer(alice))).status_code == 401


async def test_a_deleted_user_gets_nothing(client, alice):
    headers = bearer(alice)
    await in_thread(alice.delete)
    assert (await client.get(STREAM, headers=headers)).status_code == 401


async def test_everybodys_orders_are_for_those_who_may_view_orders(client, alice, bob):
    await publish(bob, 1)
    assert (await client.get(f"{STREAM}?scope=all", headers=bearer(alice))).status_code == 403
    view_order = await in_thread(Permission.objects.get, codename="view_order")
    await in_thread(alice.user_permissions.add, view_order)
    response = await client.get(f"{STREAM}?scope=all&last_event_id=0", headers=bearer(alice))
    assert response.status_code == 200
    async with aclosing(aiter(response)) as chunks:
        await soon(anext(chunks))
        assert unmarked(await soon(anext(chunks))) == wire.event(Cursor(1, None), "orders", "1")


@pytest.mark.parametrize("is_recent", [True, False], ids=["from memory", "from the table"])
async def test_the_staff_are_not_told_what_is_others_bells(client, shop, bob, is_recent):
    """The site has one stream: with the orders of all come the staff's own notifications only."""
    chunks = None
    if is_recent:
        response = await client.get(f"{STREAM}?scope=all", headers=bearer(shop))
        chunks = aiter(response)
        await soon(anext(chunks))
    for user, type in ((bob, "orders"), (bob, "bell.change"), (shop, "bell.change")):
        await in_thread(lambda user=user, type=type: realtime.publish(to=user, type=type, data=1))
    if chunks is None:
        response = await client.get(f"{STREAM}?scope=all&last_event_id=0", headers=bearer(shop))
        chunks = aiter(response)
        await soon(anext(chunks))
    told = b""
    async with aclosing(chunks):
        while told.count(b"data: 1") < 2:
            told += unmarked(await soon(anext(chunks)))
    first, third = Cursor(1, None), Cursor(3, None)
    assert told == wire.event(first, "orders", "1") + wire.event(third, "bell.change", "1")


async def test_a_scope_there_is_not_is_told_so(client, alice):
    response = await client.get(f"{STREAM}?scope=everything", headers=bearer(alice))
    assert response.status_code == 400
    assert "scope" in response.json()["detail"]


@pytest.mark.parametrize("method", ["get", "head"])
async def test_a_page_made_for_somebody_else_is_refused(client, alice, bob, method):
    ask = getattr(client, method)
    await in_thread(AsyncClient.force_login, client, bob)
    assert (await ask(f"{STREAM}?topics=auth.user:{alice.pk}")).status_code == 403
    assert (await ask(f"{STREAM}?topics=")).status_code == 403
    response = await ask(f"{STREAM}?topics=auth.user:{bob.pk}")
    assert response.status_code == 200
    if method == "get":
        assert (await beginning(response)).endswith(wire.heartbeat(START))


async def test_the_refusal_of_somebody_else_says_why(client, alice, bob):
    response = await client.get(f"{STREAM}?topics=auth.user:{alice.pk}", headers=bearer(bob))
    assert "The page was rendered for another user" in response.json()["detail"]


async def test_the_recipient_of_a_page_about_everybody_is_who_is_signed_in(client, shop, bob):
    url = f"{STREAM}?scope=all&topics=auth.user:"
    assert (await client.head(f"{url}{bob.pk}", headers=bearer(shop))).status_code == 403
    assert (await client.head(f"{url}{shop.pk}", headers=bearer(shop))).status_code == 200


async def test_who_does_not_follow_is_asked_to_come_back_in_three_seconds(client, alice):
    await publish(alice, 1)
    response = await client.get(f"{STREAM}?follow=no&last_event_id=0", headers=bearer(alice))
    async with asyncio.timeout(10):
        text = unmarked(b"".join([chunk async for chunk in response]))
    retry, opening = text.removeprefix(b"retry: ").split(b"\n", 1)
    assert 2500 <= int(retry) <= 3500
    first = Cursor(1, None)
    told = wire.event(first, "orders", "1") + wire.heartbeat(first)
    assert opening == wire.heartbeat(START) + told


@pytest.mark.parametrize("method", ["get", "head"])
async def test_to_follow_or_not_is_all_there_is(client, alice, method):
    response = await getattr(client, method)(f"{STREAM}?follow=maybe", headers=bearer(alice))
    assert response.status_code == 400


async def test_garbage_as_a_cursor_is_reset(client, alice):
    headers = {**bearer(alice), "Last-Event-ID": "garbage"}
    response = await client.get(STREAM, headers=headers)
    assert (await beginning(response)).endswith(wire.reset("invalid", START))


async def test_while_the_log_is_known_to_be_away_a_client_is_asked_to_come_back(
    client, alice, hub, monkeypatch
):
    monkeypatch.setattr(type(hub.home), "away", "no route to host")
    response = await client.get(STREAM, headers=bearer(alice))
    assert response.status_code == 503
    assert 1 <= int(response["Retry-After"]) <= 4


async def test_if_the_log_goes_away_after_the_head_the_stream_asks_to_come_back(
    client, alice, hub, monkeypatch
):
    response = await client.get(STREAM, headers=bearer(alice))
    monkeypatch.setattr(hub.home, "_query_seconds", 0.1)
    monkeypatch.setattr(hub.home, "_turn", None)  # the hub's worker gets no answer any more
    hub.poll()
    assert response.status_code == 200
    async with asyncio.timeout(10):
        text = unmarked(b"".join([chunk async for chunk in response]))
    comment, retry, end = text.decode().split("\n\n")
    assert comment == ": The event log can't be reached."
    assert 1_000 <= int(retry.removeprefix("retry: ")) <= 4_000
    assert end == ""
    assert len(hub.streams) == 0


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
async def test_who_signs_in_while_the_database_is_away_is_asked_to_come_back(
    client, alice, monkeypatch, error
):
    """Before the hub has noticed."""
    await in_thread(AsyncClient.force_login, client, alice)

    def load(session):
        raise error("the connection is lost")

    monkeypatch.setattr(SessionStore, "load", load)
    response = await client.get(STREAM)
    assert response.status_code == 503
    assert 1 <= int(response["Retry-After"]) <= 4
