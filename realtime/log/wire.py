"""The text of an event stream, as pure functions from values to UTF-8 bytes.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html, sections 9.2.5 (parsing)
and 9.2.6 (interpreting). A stream is lines; a blank line ends a block; CR, LF and CRLF all end a
line, so no field may hold one.
"""

from .cursor import Cursor

# What one write to a client holds at most, unless a single event is larger. A client that does not
# read costs one of these beside what its server buffers.
CHUNK_BYTES = 96 * 1024

# Events that the stream itself sends, or an EventSource: nobody else's may be called so.
OWN_TYPES = frozenset({"error", "heartbeat", "open", "reset"})


def is_line(text: str) -> bool:
    """Whether the text can stand in one field: no line break, no NUL, encodable as UTF-8."""
    if "\r" in text or "\n" in text or "\0" in text:  # three times as fast as any()
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_sendable(type: str, data: str) -> bool:
    """Whether an event with this type and data keeps to its own fields and names."""
    return "\r" not in data and (not type or (type not in OWN_TYPES and is_line(type)))


def event(cursor: Cursor, type: str, data: str | None) -> bytes:
    """One event, unnamed without a type; nothing without data, for a newer one has replaced it.

    Each line of a text becomes a `data:` line of its own, which the client joins again (9.2.6).
    """
    if data is None:
        return b""
    name = f"event: {type}\n" if type else ""
    lines = data.replace("\n", "\ndata: ")
    return f"{name}id: {cursor}\ndata: {lines}\n\n".encode()


def opening(retry_milliseconds: int, cursor: Cursor) -> bytes:
    """The first bytes: how long to wait before reconnecting, and the first heartbeat.

    They go out at once, so that `onopen` fires and proxies commit to the response. The `id:` makes
    a client that is cut off before its first event come back to where it began.
    """
    return f"retry: {retry_milliseconds}\n".encode() + heartbeat(cursor)


def heartbeat(cursor: Cursor) -> bytes:
    """A sign of life, and up to where the client has been told everything.

    An event, not a comment: a browser hides comments from the page, whose script could then not
    tell a quiet stream from a dead one. It takes a `data:` line, if an empty one, for without any
    no event is dispatched (9.2.6). Its `id:` takes the cursor of a client that gets few events
    along, which would otherwise grow old, and fall off the log when that is pruned.
    """
    return f"event: heartbeat\nid: {cursor}\ndata:\n\n".encode()


def comment(text: str) -> bytes:
    """A line that clients skip, for people who look at the wire."""
    return f": {text}\n\n".encode()


def retry(milliseconds: int) -> bytes:
    """How long to wait before reconnecting, from now on (9.2.6)."""
    return f"retry: {milliseconds}\n\n".encode()


def reset(reason: str, cursor: Cursor) -> bytes:
    """Tells the client that its cursor can't be honoured: reload, then go on from this one."""
    return event(cursor, "reset", f'{{"reason":"{reason}","position":{cursor.position}}}')
