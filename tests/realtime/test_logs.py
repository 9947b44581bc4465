"""Logs as JSON, each with the stream, the user and the request that it is about."""

import json
import logging
import sys

import pytest
from django.test import RequestFactory

from realtime.logs import LONGEST_ID, JSONFormatter, request_id
from tests.realtime.serving.conftest import ask, session_cookie  # noqa: F401  a fixture
from tests.waiting import until


def said(record):
    return json.loads(JSONFormatter().format(record))


async def test_a_stream_is_followed_from_its_request_to_its_end(hub, ask, alice, caplog):  # noqa: F811
    caplog.set_level(logging.INFO, "realtime.streams")
    headers = {**await session_cookie(alice), "X-Request-ID": "a-request"}
    async with ask(headers=headers):
        pass
    await until(lambda: len(caplog.records) >= 2)
    opened, ended = (said(r) for r in caplog.records if r.name == "realtime.streams")
    about = {"stream": "default", "user": str(alice.pk), "request_id": "a-request"}
    assert opened.items() >= about.items()
    assert ended.items() >= {**about, "reason": "client"}.items()
    assert ended["seconds"] >= 0


def record(message="%s cups", arguments=(2,), **fields):
    made = logging.LogRecord("shop", logging.WARNING, "", 0, message, arguments, None)
    vars(made).update(fields)
    return made


def test_a_record_is_one_line_with_what_it_says():
    line = JSONFormatter().format(record("two\nlines", ()))
    assert "\n" not in line
    assert (
        said(record()).items()
        >= {"level": "WARNING", "logger": "shop", "message": "2 cups"}.items()
    )


def test_a_record_about_a_request_has_its_id_and_user(alice, django_assert_num_queries):
    request = RequestFactory().get("/orders/", headers={"X-Request-ID": "a-request"})
    request._cached_user = alice
    with django_assert_num_queries(0):
        told = said(record(request=request, status_code=404))
    about = {
        "request_id": "a-request",
        "user": str(alice.pk),
        "path": "/orders/",
        "status_code": 404,
    }
    assert told.items() >= about.items()
    assert "user" not in said(record(request=object()))


def test_an_error_is_told_with_where_it_was():
    try:
        raise ValueError("no cups")
    except ValueError:
        failed = record(exc_info=sys.exc_info())
    assert "ValueError: no cups" in said(failed)["exception"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], ""),
        ([(b"x-request-id", b"7" * 1000)], "7" * LONGEST_ID),
        ([(b"x-request-id", b"\xff")], "\xff"),
    ],
)
def test_a_client_may_call_its_request_anything(headers, expected):
    assert request_id({"headers": headers}) == expected
