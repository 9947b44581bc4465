"""Access tokens as projects issue them, and as attackers do."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from rest_framework_simplejwt.tokens import AccessToken

from realtime.access.authentication import SignedIn
from tests.clients import STREAM

COOKIE_URL = f"{STREAM}/cookie"


def ask(url, token, scheme="Bearer", method="get"):
    return getattr(Client(), method)(url, headers={"authorization": f"{scheme} {token}"})


def signed(user, **claims):
    token = AccessToken.for_user(user)
    token.payload.update(claims)
    return token


@pytest.mark.parametrize(
    "claims",
    [
        {"user_id": "x"},
        {"user_id": ["1"]},
        {"user_id": {"id": 1}},
        {"user_id": 10**30},
        {"user_id": "a\x00b"},
        {"user_id": None},
        {"exp": 10**20},
        {"exp": 10**400},
        {"exp": "9999999999"},
    ],
)
@pytest.mark.parametrize(("url", "method"), [(STREAM, "get"), (COOKIE_URL, "post")])
def test_a_claim_that_makes_no_sense_is_refused(transactional_db, alice, claims, url, method):
    response = ask(url, signed(alice, **claims), method=method)
    assert response.status_code == 401
    assert 'error="invalid_token"' in response["WWW-Authenticate"]


def test_the_word_before_the_token_is_the_projects(transactional_db, alice, settings):
    settings.SIMPLE_JWT = {"AUTH_HEADER_TYPES": ("JWT",)}
    token = AccessToken.for_user(alice)
    assert ask(STREAM, token, "JWT").status_code == 200
    response = ask(STREAM, token, "Bearer")
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'JWT realm="events"'
    assert "Authorization: JWT" in response.json()["detail"]


def test_a_token_that_is_too_long_for_a_cookie_is_refused(db, alice):
    token = AccessToken.for_user(alice)
    token.set_exp(lifetime=timedelta(hours=1))
    token["groups"] = "x" * 4000
    response = ask(COOKIE_URL, token, method="post")
    assert response.status_code == 400
    assert "4096" in response.json()["detail"]
    assert not response.cookies


def test_an_end_that_is_no_number_is_told_to_whoever_wrote_it(alice):
    """Else it would be found by the monitor, among the streams of everybody."""
    end = datetime.now(UTC) + timedelta(hours=1)
    with pytest.raises(TypeError, match="seconds since the epoch"):
        SignedIn(alice, ends_at=end).access()
    assert SignedIn(alice, ends_at=end.timestamp()).access().ends_at == end.timestamp()
