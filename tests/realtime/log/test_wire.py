import httpx
import pytest
from httpx_sse import EventSource
from hypothesis import given
from hypothesis import strategies as st

from realtime import InvalidEvent
from realtime.log import wire
from realtime.log.cursor import Cursor
from realtime.log.publishing import check_type, encode_json, encode_text


def at(position):
    return Cursor(position, 42)


# Any text that Python can hold: all planes, controls, lone surrogates.
ANY_TEXT = st.text(st.characters(codec=None))


def parse(text: bytes):
    """The events that a client nobody here wrote makes of the bytes.

    Heartbeats are left out, and blocks without `data:`, which httpx-sse yields and no browser does.
    """
    response = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=text)
    return [event for event in EventSource(response).iter_sse() if event.data]


def test_an_event_is_four_lines():
    assert wire.event(at(7), "orders", '{"order":1}') == (
        b'event: orders\nid: 7-2a\ndata: {"order":1}\n\n'
    )


def test_the_opening_tells_when_to_come_back_and_from_where():
    assert wire.opening(1500, at(41)) == b"retry: 1500\nevent: heartbeat\nid: 41-2a\ndata:\n\n"


def test_a_reset_is_an_event_whose_id_is_where_to_go_on():
    assert wire.reset("pruned", at(12)) == (
        b'event: reset\nid: 12-2a\ndata: {"reason":"pruned","position":12}\n\n'
    )


def test_a_heartbeat_is_an_event_without_data_whose_id_is_where_the_client_stands():
    assert wire.heartbeat(at(9)) == b"event: heartbeat\nid: 9-2a\ndata:\n\n"
    assert parse(wire.heartbeat(at(9))) == []


def test_a_heartbeat_moves_the_id_of_what_follows():
    text = wire.heartbeat(at(9)) + b"data: x\n\n"
    assert [event.id for event in parse(text)] == ["9-2a"]


@given(st.recursive(ANY_TEXT, lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner)))
def test_data_arrives_as_it_was_published_or_is_refused(data):
    try:
        text = encode_json(data)
    except InvalidEvent:
        # Only what has no UTF-8 is refused.
        with pytest.raises(UnicodeEncodeError):
            repr_without_escapes(data).encode()
        return
    [event] = parse(wire.event(at(1), "orders", text))
    assert event.json() == data
    assert (event.event, event.id) == ("orders", "1-2a")


def repr_without_escapes(data) -> str:
    if isinstance(data, str):
        return data
    if isinstance(data, dict):
        return "".join(key + repr_without_escapes(value) for key, value in data.items())
    return "".join(repr_without_escapes(value) for value in data)


@given(ANY_TEXT)
def test_a_text_arrives_as_it_was_published_or_is_refused(text):
    try:
        encoded = encode_text(text)
    except InvalidEvent:
        assert "\0" in text or any("\ud800" <= character <= "\udfff" for character in text)
        return
    lines = wire.event(at(1), "", encoded).decode().removesuffix("\n\n").split("\n")
    assert lines.pop(0) == "id: 1-2a"
    assert all(line.startswith("data: ") for line in lines)
    # Not by httpx-sse, which takes more characters for line ends than the standard does.
    arrived = "\n".join(line.removeprefix("data: ") for line in lines)
    assert arrived == text.replace("\r\n", "\n").replace("\r", "\n")


def test_an_event_without_a_type_is_unnamed():
    assert wire.event(at(7), "", "1") == b"id: 7-2a\ndata: 1\n\n"


def test_an_event_that_was_replaced_is_nothing():
    assert wire.event(at(7), "progress", None) == b""


@given(ANY_TEXT)
def test_no_type_can_break_out_of_its_line(name):
    try:
        check_type(name)
    except InvalidEvent:
        return
    [event] = parse(wire.event(at(1), name, "{}") + wire.event(at(2), "next", "{}"))[:1]
    assert event.data == "{}"
    assert event.event == name


@pytest.mark.parametrize("hostile", ["a\nid: 9", "a\rb", "a\0b", "", "x" * 101, "\ud800"])
def test_a_type_that_does_not_fit_in_a_line_is_refused(hostile):
    with pytest.raises(InvalidEvent):
        check_type(hostile)


def test_a_megabyte_arrives_whole():
    data = {"text": "\N{BELL}é\r\n\0" * 200_000}
    [event] = parse(wire.event(at(1), "orders", encode_json(data)))
    assert event.json() == data
