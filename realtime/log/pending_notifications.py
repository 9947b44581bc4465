"""After a commit that published, the processes that number events are notified."""

import time
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from django.db import transaction
from psycopg.sql import SQL, Identifier, Literal

from .notifications import PENDING_CHANNEL
from .polling_lease import (
    LEASE_SECONDS,
    is_polled,
    may_hint_unasked,
    nobody_polls,
    somebody_polls,
)

# Notifies, unless a process polls the stream, see polling_lease.py: then it returns for how many
# more seconds. It runs by itself after the commit: as part of the statement that writes, it would
# make that one half as expensive again. It isn't a function, because each new connection would have
# to compile it. A lease that ends later than any new one was written before a clock was set back,
# so it is ignored.
HINT_UNLESS_POLLED = """
    SELECT coalesce(
        (
            SELECT extract(epoch FROM until - clock_timestamp())::text
            FROM realtime_pollinglease
            WHERE stream = %(stream)s
                AND until BETWEEN clock_timestamp()
                    AND clock_timestamp() + make_interval(secs => %(lease_seconds)s)
        ),
        pg_notify(%(channel)s, %(stream)s)::text
    )
"""

ABOUT_HINTS = {"channel": PENDING_CHANNEL, "lease_seconds": LEASE_SECONDS}

# For each connection, the streams that its open transaction has written to. After a rollback a name
# may stay behind; all it costs is one needless notification after the next commit.
_streams_to_hint: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()


def notify_after_commit(connection: Any, stream: str) -> None:
    if not connection.in_atomic_block and not connection.get_autocommit():
        # The caller commits by hand, and Django doesn't notice. The poll will find the event.
        return
    _streams_to_hint.setdefault(connection, set()).add(stream)
    # After the commit, not before: a transaction that wrote and notifies holds a lock of the whole
    # cluster until its commit is on disk, so checkouts would queue for one another.
    # robust: if the notification fails, the order is saved all the same, and the poll will find the
    # event.
    transaction.on_commit(lambda: _send_hints(connection), using=connection.alias, robust=True)


def _send_hints(connection: Any) -> None:
    committed = time.monotonic()
    streams = [
        stream
        for stream in _streams_to_hint.pop(connection, ())
        # If a process polls the stream, the last poll of its lease will find the event.
        if not is_polled(connection.alias, stream, at=committed)
    ]
    if not streams:
        return
    # A statement for each stream: there is nearly always one, and binding a list takes longer.
    with connection.cursor() as cursor:
        for stream in sorted(streams):
            if may_hint_unasked(connection.alias, stream):
                cursor.execute(_hint(stream))
            else:
                _hint_unless_polled(connection.alias, stream, cursor)


def _hint_unless_polled(database: str, stream: str, cursor: Any) -> None:
    asked = time.monotonic()
    cursor.execute(HINT_UNLESS_POLLED, {**ABOUT_HINTS, "stream": stream})
    [leased_seconds] = cursor.fetchone()
    if leased_seconds:
        somebody_polls(database, stream, until=asked + float(leased_seconds))
    else:
        nobody_polls(database, stream, at=asked)


@lru_cache(maxsize=100)
def _hint(stream: str) -> str:
    """The NOTIFY statement. It has no parameters: binding two takes longer than the statement."""
    return SQL("NOTIFY {}, {}").format(Identifier(PENDING_CHANNEL), Literal(stream)).as_string()
