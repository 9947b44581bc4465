"""The text of an event stream, as pure functions from values to UTF-8 bytes.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html, sections 9.2.5 (parsing)
and 9.2.6 (interpreting). A stream is lines; a blank line ends a block; CR, LF and CRLF all end a
line, so no field may hold one.
"""

HEARTBEAT = b":\n\n"


def is_line(text: str) -> bool:
    """Whether the text can stand in one field: no line break, no NUL, encodable as UTF-8."""
    if any(character in text for character in "\r\n\0"):
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def event(position: int, type: str, data: str) -> bytes:
    """One event. `data` is JSON text, which escapes line breaks, so it is always one line."""
    return f"event: {type}\nid: {position}\ndata: {data}\n\n".encode()


def opening(retry_milliseconds: int, position: int) -> bytes:
    """The first bytes: how long to wait before reconnecting, and where the client stands.

    They go out at once, so that `onopen` fires and proxies commit to the response. The `id:` makes
    a client that is cut off before its first event come back to where it began.
    """
    return f"retry: {retry_milliseconds}\nid: {position}\n\n".encode()


def comment(text: str) -> bytes:
    """A line that clients skip, for people who look at the wire."""
    return f": {text}\n\n".encode()


def retry(milliseconds: int) -> bytes:
    """How long to wait before reconnecting, from now on (9.2.6)."""
    return f"retry: {milliseconds}\n\n".encode()


def moved(position: int) -> bytes:
    """An `id:` without data: moves the client's cursor and dispatches no event (9.2.6)."""
    return f"id: {position}\n\n".encode()


def reset(reason: str, position: int) -> bytes:
    """Tells the client that its cursor can't be honoured: reload, then go on from `position`."""
    return event(position, "reset", f'{{"reason":"{reason}","position":{position}}}')
