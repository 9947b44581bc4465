"""The cursor for a page: the page shows the events up to it, and its stream goes on from there.

A page may be rendered by a process that follows no stream, such as a WSGI server's, or before any
has begun to. So asking for the cursor first numbers the events that were committed before.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from asgiref.sync import sync_to_async
from django.db import DatabaseError, DataError, IntegrityError, InternalError
from django.db.backends.base.base import BaseDatabaseWrapper

from . import dead_letters
from .cursor import Cursor
from .notifications import PUBLISHED_CHANNEL, published
from .publishing import DEFAULT_STREAM, check_stream, connection_of
from .sql import load

logger = logging.getLogger("realtime")

NUMBER_ROWS = 1000
SNAPSHOT = load("snapshot")
# Without a lease, because this process doesn't poll; and it waits for a session that is numbering.
NUMBER = """
    SELECT taken, moved, last_position, last_mark
    FROM realtime_number_events(%(stream)s, %(number_rows)s, 0, NULL, true)
"""
# So that a page doesn't wait for a session that hangs.
LOCK_TIMEOUT = "SET LOCAL lock_timeout = '1s'"
NOTIFY = "SELECT pg_notify(%(channel)s, %(payload)s)"


def current_cursor(stream: str = DEFAULT_STREAM, using: str | None = None) -> Cursor:
    """The cursor of a stream's last event, once all events committed before have been numbered.

    Call it before you query what the page shows. A change that is committed in between may then
    appear both in the page and in its stream, but is never missing from both.

    stream: a name of `REALTIME["STREAMS"]`.
    using: another alias of the stream's database than the one that REALTIME names.

    Returns the cursor: a page opens its stream with `str(cursor)`, and `cursor.position` is the
    number of the last event. It costs one query, or a few if events wait to be numbered.

    Raises InvalidEvent if there is no such stream, or it isn't in that database.
    """
    check_stream(stream)
    connection = connection_of(stream, using)
    position, mark, is_to_number = _query(connection, SNAPSHOT, stream=stream)
    if is_to_number:
        try:
            with _outside_transaction(connection) as other:
                _number(other, stream)
        except DatabaseError as error:
            # The page is right all the same: its stream will send the events without a position.
            logger.warning("Could not number the events of %r for a page: %s", stream, error)
        else:
            position, mark, _ = _query(connection, SNAPSHOT, stream=stream)
    return Cursor(position, mark)


async def acurrent_cursor(stream: str = DEFAULT_STREAM, using: str | None = None) -> Cursor:
    """`current_cursor()` for coroutines: the same arguments, result and errors."""
    return await sync_to_async(current_cursor)(stream, using)


@contextmanager
def _outside_transaction(connection: BaseDatabaseWrapper) -> Iterator[BaseDatabaseWrapper]:
    """A connection that is in no transaction: another one if the caller's is in one.

    So positions are committed and the stream's lock is released at once, however long the caller's
    transaction lasts.
    """
    if not connection.in_atomic_block and connection.get_autocommit():
        yield connection
        return
    other = connection.copy()
    try:
        yield other
    finally:
        other.close()


def _number(connection: BaseDatabaseWrapper, stream: str) -> None:
    """Number the waiting events of a stream, and notify the processes that follow it."""
    parameters = {"stream": stream, "number_rows": NUMBER_ROWS}
    with connection.cursor() as cursor:
        taken = None
        # None if another session has just made this stream's row, for its first event: try again.
        while taken is None or taken == NUMBER_ROWS:
            try:
                [(taken, moved, position, mark)] = _transact(cursor, NUMBER, parameters)
            except (IntegrityError, DataError, InternalError):
                set_aside = _transact(cursor, dead_letters.SET_ASIDE, parameters)
                if not set_aside:
                    raise
                dead_letters.report(stream, set_aside)
                continue
            if moved:
                payload = published(Cursor(position, mark), stream)
                cursor.execute(NOTIFY, {"channel": PUBLISHED_CHANNEL, "payload": payload})


def _transact(cursor: Any, statement: str, parameters: dict[str, Any]) -> list[Any]:
    # number_events.sql says at its head why it needs this isolation level.
    cursor.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
    try:
        cursor.execute(LOCK_TIMEOUT)
        cursor.execute(statement, parameters)
        rows = cursor.fetchall()
        cursor.execute("COMMIT")
    except BaseException:
        with suppress(DatabaseError):
            cursor.execute("ROLLBACK")
        raise
    return list(rows)


def _query(connection: BaseDatabaseWrapper, statement: str, **parameters: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone()
