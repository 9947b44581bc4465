"""Empties the test database after each test that commits, and keeps what the migrations made.

Django truncates all tables and makes content types and permissions anew, 55 ms for each of several
hundred tests; to delete the few rows that one has left takes half a millisecond.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import IntegrityError, OperationalError, connection, transaction
from django.test import TransactionTestCase
from psycopg import sql
from psycopg.errors import DeadlockDetected, ForeignKeyViolation

from realtime.models import Event, Stream

KEPT = {ContentType._meta.db_table, Permission._meta.db_table}
DEADLOCKS = 3


@pytest.fixture(scope="session", autouse=True)
def emptied_by_deleting() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        # pytest-django's `transactional_db` is such a test case, and has no other way in.
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda test_case: delete_all())
        yield


def delete_all() -> None:
    # A test may have ended all sessions of its database, this process's own among them.
    if connection.connection is not None and not connection.is_usable():
        connection.close()
    tables = set(connection.introspection.django_table_names()) - KEPT
    deletes = [sql.SQL("DELETE FROM {}").format(sql.Identifier(table)) for table in tables]
    for attempt in range(DEADLOCKS):
        try:
            # In any order: Django's foreign keys are looked at when the transaction commits.
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(sql.SQL("; ").join(deletes))
            return
        except (OperationalError, IntegrityError) as error:
            is_last = attempt == DEADLOCKS - 1
            # A server that outlives the test may be numbering its last events, or working on the
            # last request of a page, which writes something that belongs to a user.
            is_of_others = isinstance(error.__cause__, DeadlockDetected | ForeignKeyViolation)
            if is_last or not is_of_others:
                raise


@contextmanager
def log_kept() -> Iterator[None]:
    """The log stays and goes on: for a server that outlives a test, and remembers it.

    To that server a log that was emptied is one that went back, and its pages would be reset. No
    test sees another's events: its users are new ones, and so are their topics.
    """
    log = {Stream._meta.db_table, Event._meta.db_table}
    KEPT.update(log)
    try:
        yield
    finally:
        KEPT.difference_update(log)
        delete_all()
