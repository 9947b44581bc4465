import pytest
from django.test import RequestFactory

from realtime.log.cursor import Cursor, InvalidCursor, requested_cursor


def request(header=None, **query):
    headers = {} if header is None else {"Last-Event-ID": header}
    return RequestFactory().get("/", query, headers=headers)


def test_without_a_cursor_it_starts_from_now():
    assert requested_cursor(request()) is None
    assert requested_cursor(request("")) is None


def test_the_header_is_what_a_reconnecting_browser_sends():
    assert requested_cursor(request("41-5f2c9a")) == Cursor(41, 0x5F2C9A)


def test_the_query_is_for_a_first_connection():
    assert requested_cursor(request(last_event_id="41-0")) == Cursor(41, 0)


def test_the_header_is_newer_than_the_query_of_the_page():
    assert requested_cursor(request("50-a", last_event_id="41-b")) == Cursor(50, 10)


def test_before_the_first_event_there_is_nothing_to_mark():
    assert requested_cursor(request("0")) == Cursor(0, None)


@pytest.mark.parametrize("cursor", [Cursor(0, None), Cursor(1, 0), Cursor(2**63 - 1, 2**31 - 1)])
def test_its_text_is_read_again_as_it_was(cursor):
    assert Cursor.parse(str(cursor)) == cursor


def test_a_position_without_its_mark_names_no_event():
    with pytest.raises(InvalidCursor):
        requested_cursor(request("41"))


@pytest.mark.parametrize(
    "garbage",
    [
        *("-1", "1.5-a", "1e3-a", "0x10-a", "1_0-a", " 7-a", "7-a ", "abc", "٣-a", "7-a,8-a"),
        *("7-", "7-A", "7-٣", "7--a", "7-a-b", "07-a", "0-a", "00"),
        *("7-80000000", "7-123456789", f"{2**63}-a", "9" * 400 + "-a", "7-" + "a" * 400),
    ],
)
def test_garbage_is_told_apart_from_no_cursor(garbage):
    with pytest.raises(InvalidCursor):
        requested_cursor(request(last_event_id=garbage))


def test_a_repeated_header_is_garbage():
    # ASGI servers join it with commas.
    with pytest.raises(InvalidCursor):
        requested_cursor(request("7-a,7-a"))
