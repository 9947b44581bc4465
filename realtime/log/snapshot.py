"""The cursor for a page: it renders what was published up to here, and its stream goes on there.

A page may be rendered by a process that follows no stream, such as a WSGI server's, or before any
has begun to. So whoever asks for the cursor has numbered first what was committed before.
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
# Without a lease, for nobody here looks again; and it waits for whoever else is at it.
NUMBER = """
    SELECT taken, moved, last_position, last_mark
    FROM realtime_number_events(%(stream)s, %(number_rows)s, 0, NULL, true)
"""
# A page is not to wait for a session that hangs.
LOCK_TIMEOUT = "SET LOCAL lock_timeout = '1s'"
NOTIFY = "SELECT pg_notify(%(channel)s, %(payload)s)"


def current_cursor(stream: str = DEFAULT_STREAM, using: str | None = None) -> Cursor:
    """Where a stream stands, once all that was committed before this call has its position.

    To be asked for before what is rendered: what is committed in between may then be in both, the
    page and its stream, and is never in neither.

    stream: a name of `REALTIME["STREAMS"]`.
    using: an alias of the stream's database, if not the one that REALTIME names.

    Returns the cursor; its text, `str(cursor)`, is what a stream is asked for with, and
    `cursor.position` the number of the last event. It costs a query, or a few if events wait.

    Raises InvalidEvent if there is no such stream, or not in that database.
    """
    check_stream(stream)
    connection = connection_of(stream, using)
    position, mark, is_to_number = _query(connection, SNAPSHOT, stream=stream)
    if is_to_number:
        try:
            with _outside_transaction(connection) as other:
                _number(other, stream)
        except DatabaseError as error:
            # The page stands all the same: what has no position yet is told by its stream.
            logger.warning("Could not number the events of %r for a page: %s", stream, error)
        else:
            position, mark, _ = _query(connection, SNAPSHOT, stream=stream)
    return Cursor(position, mark)


async def acurrent_cursor(stream: str = DEFAULT_STREAM, using: str | None = None) -> Cursor:
    """As `current_cursor()`, from a coroutine."""
    return await sync_to_async(current_cursor)(stream, using)


@contextmanager
def _outside_transaction(connection: BaseDatabaseWrapper) -> Iterator[BaseDatabaseWrapper]:
    """Positions are committed at once, and the stream's lock given back, however long the
    transaction of the caller lasts: on a connection of their own if there is one.
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
    """Give all that waits in a stream its position, and tell the processes that follow it."""
    parameters = {"stream": stream, "number_rows": NUMBER_ROWS}
    with connection.cursor() as cursor:
        taken = None
        # Null for the first event ever of a stream, of which another session was told as well.
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
    # See the head of number_events.sql.
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
