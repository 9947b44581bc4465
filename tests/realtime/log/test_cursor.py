import pytest
from django.test import RequestFactory

from realtime.log.cursor import InvalidCursor, requested_cursor


def request(header=None, **query):
    headers = {} if header is None else {"Last-Event-ID": header}
    return RequestFactory().get("/", query, headers=headers)


def test_without_a_cursor_it_starts_from_now():
    assert requested_cursor(request()) is None
    assert requested_cursor(request("")) is None


def test_the_header_is_what_a_reconnecting_browser_sends():
    assert requested_cursor(request("41")) == 41


def test_the_query_is_for_a_first_connection():
    assert requested_cursor(request(last_event_id="41")) == 41


def test_the_header_is_newer_than_the_query_of_the_page():
    assert requested_cursor(request("50", last_event_id="41")) == 50


def test_the_largest_position_is_one():
    assert requested_cursor(request(str(2**63 - 1))) == 2**63 - 1


@pytest.mark.parametrize(
    "garbage",
    ["-1", "1.5", "1e3", "0x10", "1_0", " 7", "7 ", "abc", "٣", "7,8", str(2**63), "9" * 400],
)
def test_garbage_is_told_apart_from_no_cursor(garbage):
    with pytest.raises(InvalidCursor):
        requested_cursor(request(last_event_id=garbage))


def test_a_repeated_header_is_garbage():
    # ASGI servers join it with commas.
    with pytest.raises(InvalidCursor):
        requested_cursor(request("7,7"))
