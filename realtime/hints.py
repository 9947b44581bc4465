"""Hints: what PostgreSQL's NOTIFY says here, and that it is never more than a hint.

One that is lost costs the time until the next poll, not an event. https://www.postgresql.org/docs/current/sql-notify.html
"""

# “A committed transaction wrote events of this stream; they wait for a number.”
PENDING_CHANNEL = "realtime_pending"
# “This stream has come to this position.”
PUBLISHED_CHANNEL = "realtime_published"


def published(position: int, stream: str) -> str:
    """The payload on PUBLISHED_CHANNEL."""
    return f"{position} {stream}"


def parse_published(payload: str) -> tuple[int, str]:
    """Position and stream of a payload on PUBLISHED_CHANNEL."""
    position, stream = payload.split(" ", 1)
    return int(position), stream
