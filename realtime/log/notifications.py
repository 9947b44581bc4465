"""Hints: what PostgreSQL's NOTIFY says here, and that it is never more than a hint.

One that is lost costs the time until the next poll, not an event. One that is forged costs a look:
`NOTIFY` takes no privilege, so any role that may connect can say all of this. https://www.postgresql.org/docs/current/sql-notify.html
"""

from .cursor import Cursor

# “A committed transaction wrote events of this stream; they wait for a number.”
PENDING_CHANNEL = "realtime_pending"
# “This stream has come to this event.”
PUBLISHED_CHANNEL = "realtime_published"
# “Look again who may read”, in one of the ways below.
ACCESS_CHANNEL = "realtime_access"

# “This user, by primary key, was changed or deleted.”
USER_CHANGED = "user"
# “This session or token, by digest, is ended”: never the key itself, for others can read it.
CREDENTIAL_ENDED = "credential"
# “Close the streams of this user”, signed, see ends_of_users.py: whoever still may comes back.
USER_ENDED = "end"
# “Somebody has lost a permission or a group.”
PERMISSIONS_CHANGED = "permissions"
# “Look again at everybody.”
ALL_CHANGED = "all"
# “Look again at who follows this topic.”
TOPIC_CHANGED = "topic"


def published(cursor: Cursor, stream: str) -> str:
    """The payload on PUBLISHED_CHANNEL."""
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
