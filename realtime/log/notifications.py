"""The channels and payloads of PostgreSQL's NOTIFY. A notification is never more than a hint.

A lost one delays an event until the next poll, and loses none. A forged one costs a query: `NOTIFY`
needs no privilege, so any role that may connect can send it. https://www.postgresql.org/docs/current/sql-notify.html
"""

from .cursor import Cursor

# “A committed transaction wrote events of this stream; they wait for a number.”
PENDING_CHANNEL = "realtime_pending"
# “This is now the last event of this stream.”
PUBLISHED_CHANNEL = "realtime_published"
# “Check again who may read”, with one of the payloads below.
ACCESS_CHANNEL = "realtime_access"

# “This user, by primary key, was changed or deleted.”
USER_CHANGED = "user"
# “This session or token, by digest, has ended.” Others can listen, so the key itself isn't sent.
CREDENTIAL_ENDED = "credential"
# “Close the streams of this user”, signed, see ends_of_users.py. A client that still may read
# reconnects.
USER_ENDED = "end"
# “A user has lost a permission or a group.”
PERMISSIONS_CHANGED = "permissions"
# “Check all streams.”
ALL_CHANGED = "all"
# “Check the streams that follow this topic.”
TOPIC_CHANGED = "topic"


def published(cursor: Cursor, stream: str) -> str:
    """The payload on PUBLISHED_CHANNEL for a stream's last event."""
    return f"{cursor} {stream}"


def parse_published(payload: str) -> tuple[Cursor, str]:
    """Cursor and stream of a payload on PUBLISHED_CHANNEL. Raises InvalidCursor."""
    cursor, _, stream = payload.partition(" ")
    return Cursor.parse(cursor), stream


def access(kind: str, value: str = "") -> str:
    """The payload on ACCESS_CHANNEL."""
    return f"{kind} {value}"


def parse_access(payload: str) -> tuple[str, str]:
    """Kind and value of a payload on ACCESS_CHANNEL."""
    kind, _, value = payload.partition(" ")
    return kind, value
