"""The text of an event stream, as pure functions from values to UTF-8 bytes.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html, sections 9.2.5 (parsing)
and 9.2.6 (interpreting). A stream is lines; a blank line ends a block; CR, LF and CRLF all end a
line, so no field may hold one.
"""

from .cursor import Cursor

# The most that one write to a client holds, unless a single event is larger. A client that does not
# read costs one of these in addition to the server's buffers.
CHUNK_BYTES = 96 * 1024

# Types of events that the stream or EventSource itself sends: published events can't have them.
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
    """Whether this type and data can be sent: neither forges a field or one of OWN_TYPES."""
    return "\r" not in data and (not type or (type not in OWN_TYPES and is_line(type)))


def event(cursor: Cursor, type: str, data: str | None) -> bytes:
    """The bytes of one event; without a type it is unnamed.

    Empty if data is None: a newer event has replaced this one, or it was pruned.

    Each line of a text becomes a `data:` line of its own, which the client joins again (9.2.6).
    """
    if data is None:
        return b""
    name = f"event: {type}\n" if type else ""
    lines = data.replace("\n", "\ndata: ")
    return f"{name}id: {cursor}\ndata: {lines}\n\n".encode()


def opening(retry_milliseconds: int, cursor: Cursor) -> bytes:
    """The first bytes of a stream: how long to wait before reconnecting, and a heartbeat.

    They are sent at once, so that `onopen` fires and proxies forward the response. Because of the
    `id:`, a client that is cut off before its first event resumes where it began.
    """
    return f"retry: {retry_milliseconds}\n".encode() + heartbeat(cursor)


def heartbeat(cursor: Cursor) -> bytes:
    """A heartbeat, with the cursor up to which the client has been sent everything.

    It is an event, because a browser hides comments from the page: its script could not tell a
    quiet stream from a dead one. It has an empty `data:` line, because an event without `data:`
    isn't dispatched (9.2.6). Its `id:` advances the cursor of a client that gets few events, which
    pruning would otherwise pass.
    """
    return f"event: heartbeat\nid: {cursor}\ndata:\n\n".encode()


def comment(text: str) -> bytes:
    """A comment, which clients ignore, for people who read the raw stream."""
    return f": {text}\n\n".encode()


def retry(milliseconds: int) -> bytes:
    """Changes how long the client waits before it reconnects (9.2.6)."""
    return f"retry: {milliseconds}\n\n".encode()


def reset(reason: str, cursor: Cursor) -> bytes:
    """Tells the client that its cursor can't be honoured: reload, then resume at this one."""
    return event(cursor, "reset", f'{{"reason":"{reason}","position":{cursor.position}}}')
