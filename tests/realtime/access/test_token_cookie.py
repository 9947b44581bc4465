"""The cookie by which an EventSource carries a token."""

import time
from contextlib import aclosing

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.test import AsyncClient, Client
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from realtime.access.tokens import TOKEN_COOKIE
from tests.realtime.conftest import in_thread, publish
from tests.waiting import soon

COOKIE_URL = "/orders/realtime/cookie"
STREAM_URL = "/orders/realtime"
ELSEWHERE = "https://elsewhere.example"


@pytest.fixture
def client():
    return Client(enforce_csrf_checks=True)


def give(client, token, **options):
    headers = {"authorization": f"Bearer {token}"}
    return client.post(COOKIE_URL, headers=headers, **options)


def test_a_token_gets_a_cookie_for_the_stream_alone(client, alice):
    token = AccessToken.for_user(alice)
    response = give(client, token)
    assert response.status_code == 204
    assert response.content == b""
    assert "no-store" in response["Cache-Control"]
    cookie = response.cookies[TOKEN_COOKIE]
    assert cookie.value == str(token)
    assert cookie["path"] == STREAM_URL
    assert cookie["httponly"] is True
    assert cookie["samesite"] == "Strict"
    assert cookie["domain"] == ""


def test_the_cookie_ends_with_its_token(client, alice):
    token = AccessToken.for_user(alice)
    token["exp"] = int(time.time()) + 100
    assert 98 <= give(client, token).cookies[TOKEN_COOKIE]["max-age"] <= 100


def test_the_cookie_is_secure_in_production_and_over_tls(client, alice, settings):
    token = AccessToken.for_user(alice)
    assert not give(client, token).cookies[TOKEN_COOKIE]["secure"]
    assert give(client, token, secure=True).cookies[TOKEN_COOKIE]["secure"]
    settings.SESSION_COOKIE_SECURE = True
    assert give(client, token).cookies[TOKEN_COOKIE]["secure"]


def test_without_a_token_there_is_no_cookie(client, alice):
    client.force_login(alice)  # a cookie that any site can have the browser send
    response = client.post(COOKIE_URL)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="events"'
    assert not response.cookies


@pytest.mark.parametrize("token", ["x", "", "a b", RefreshToken])
def test_a_wrong_token_gets_no_cookie(client, alice, token):
    response = give(client, token.for_user(alice) if token is RefreshToken else token)
    assert response.status_code == 401
    assert 'error="invalid_token"' in response["WWW-Authenticate"]
    assert not response.cookies


def test_the_token_of_a_deactivated_user_gets_no_cookie(client, alice):
    token = AccessToken.for_user(alice)
    alice.is_active = False
    alice.save()
    assert give(client, token).status_code == 401


def test_delete_takes_the_cookie_away(client):
    response = client.delete(COOKIE_URL)
    assert response.status_code == 204
    cookie = response.cookies[TOKEN_COOKIE]
    assert (cookie.value, cookie["max-age"], cookie["path"]) == ("", 0, STREAM_URL)


@pytest.mark.parametrize("method", ["get", "put", "patch"])
def test_nothing_else_is_allowed(client, method):
    assert getattr(client, method)(COOKIE_URL).status_code == 405


@pytest.mark.parametrize("url", [COOKIE_URL, STREAM_URL])
def test_no_other_site_is_let_in(client, url, alice):
    """What a browser asks before it lets another site send a header or a DELETE."""
    asked = {"origin": ELSEWHERE, "access-control-request-method": "DELETE"}
    answers = [client.options(url, headers=asked), client.head(url, headers={"origin": ELSEWHERE})]
    for answer in answers:
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


@pytest.fixture
async def browser(hub):
    """A browser, after it has got its cookie."""
    yield AsyncClient()
    await sync_to_async(connections.close_all)()


async def open_with(browser, user, **changes):
    token = AccessToken.for_user(user)
    for name, value in changes.items():
        token[name] = value
    browser.cookies[TOKEN_COOKIE] = str(token)
    return await browser.get(STREAM_URL)


async def test_the_cookie_opens_a_stream_of_its_user(browser, alice, bob):
    response = await open_with(browser, alice)
    async with aclosing(response.streaming_content) as chunks:
        await soon(anext(chunks))
        await publish(bob, 1)
        await publish(alice, 2)
        assert (await soon(anext(chunks))).endswith(b"data: 2\n\n")


async def test_the_cookie_says_who_it_is_even_beside_a_session(browser, alice, shop):
    await in_thread(browser.force_login, shop)
    response = await open_with(browser, alice)
    async with aclosing(response.streaming_content) as chunks:
        await soon(anext(chunks))
        await publish(alice, 1)
        assert (await soon(anext(chunks))).endswith(b"data: 1\n\n")


@pytest.mark.parametrize("changes", [{"exp": 1}, {"user_id": "0"}, {"hash_password": "x"}])
async def test_a_cookie_that_is_not_valid_opens_nothing(browser, alice, changes):
    assert (await open_with(browser, alice, **changes)).status_code == 401


async def test_a_cookie_that_is_not_valid_does_not_stand_in_a_sessions_way(browser, alice):
    await in_thread(browser.force_login, alice)
    response = await open_with(browser, alice, exp=1)
    assert response.status_code == 200
    async with aclosing(response.streaming_content) as chunks:
        await soon(anext(chunks))


async def rest_of(chunks):
    return [chunk async for chunk in chunks]


async def test_delete_ends_the_streams_of_the_cookie_and_no_others(browser, alice):
    ending = (await open_with(browser, alice)).streaming_content
    token = browser.cookies[TOKEN_COOKIE].value
    other = AsyncClient()
    staying = (await open_with(other, alice, jti="another")).streaming_content
    async with aclosing(ending), aclosing(staying):
        await soon(anext(ending))
        await soon(anext(staying))
        assert browser.cookies[TOKEN_COOKIE].value == token
        await browser.delete(COOKIE_URL)
        # On a busy machine a heartbeat comes before the end.
        assert all(b"event: heartbeat" in chunk for chunk in await soon(rest_of(ending)))
        await publish(alice, 1)
        assert (await soon(anext(staying))).endswith(b"data: 1\n\n")
