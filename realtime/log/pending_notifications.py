"""After a commit that published, the processes that number events are notified."""

import time
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from django.db import transaction
from psycopg.sql import SQL, Identifier, Literal

from .notifications import PENDING_CHANNEL
from .polling_lease import LEASE_SECONDS, KnownLease, KnownLeases

# Notifies, unless a process polls the stream, see polling_lease.py: then it returns for how many
# more seconds. It runs by itself after the commit: as part of the statement that writes, it would
# make that one half as expensive again. It isn't a function, because each new connection would have
# to compile it. A lease that ends later than any new one was written before a clock was set back,
# so it is ignored.
NOTIFY_UNLESS_POLLED = """
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

NOTIFY_PARAMETERS = {"channel": PENDING_CHANNEL, "lease_seconds": LEASE_SECONDS}

# One for the process: what one thread is told, the others need not ask.
known_leases = KnownLeases()

# For each connection, the streams that its open transaction has written to. After a rollback a name
# may stay behind; all it costs is one needless notification after the next commit.
_streams_to_notify_of: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()


def notify_after_commit(connection: Any, stream: str) -> None:
    """Notify that events of a stream wait for a number, once the open transaction has committed.

    connection: Django's, to the database of the stream.
    stream: its name.
    """
    if not connection.in_atomic_block and not connection.get_autocommit():
        # The caller commits by hand, and Django doesn't notice. The poll will find the event.
        return
    _streams_to_notify_of.setdefault(connection, set()).add(stream)
    # After the commit, not before: a transaction that wrote and notifies holds a lock of the whole
    # cluster until its commit is on disk, so checkouts would queue for one another.
    # robust: if the notification fails, the order is saved all the same, and the poll will find the
    # event.
    transaction.on_commit(lambda: _notify(connection), using=connection.alias, robust=True)


def _notify(connection: Any) -> None:
    committed = time.monotonic()
    leases = {
        stream: lease
        for stream in _streams_to_notify_of.pop(connection, ())
        # If a process polls the stream, the last poll of its lease will find the event.
        if not (lease := known_leases.of(connection.alias, stream)).covers(committed)
    }
    if not leases:
        return
    # A statement for each stream: there is nearly always one, and binding a list takes longer.
    with connection.cursor() as cursor:
        for stream, lease in sorted(leases.items()):
            if lease.may_notify_unasked():
                cursor.execute(_notify_statement(stream))
            else:
                _notify_unless_polled(stream, lease, cursor)


def _notify_unless_polled(stream: str, lease: KnownLease, cursor: Any) -> None:
    asked = time.monotonic()
    cursor.execute(NOTIFY_UNLESS_POLLED, {**NOTIFY_PARAMETERS, "stream": stream})
    [leased_seconds] = cursor.fetchone()
    if leased_seconds:
        lease.note_held(until=asked + float(leased_seconds))
    else:
        lease.note_free(asked_at=asked)


@lru_cache(maxsize=100)
def _notify_statement(stream: str) -> str:
    """The NOTIFY statement. It has no parameters: binding two takes longer than the statement."""
    return SQL("NOTIFY {}, {}").format(Identifier(PENDING_CHANNEL), Literal(stream)).as_string()
