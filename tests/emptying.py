"""Empties the test database after each test that commits, and keeps what the migrations made.

Django truncates all tables and makes content types and permissions anew, 55 ms for each of several
hundred tests; to delete the few rows that one has left takes half a millisecond.
"""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.test import TransactionTestCase
from psycopg import sql

KEPT = {ContentType._meta.db_table, Permission._meta.db_table}


@pytest.fixture(scope="session", autouse=True)
def emptied_by_deleting() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        # pytest-django's `transactional_db` is such a test case, and has no other way in.
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda test_case: delete_all())
        yield


def delete_all() -> None:
    tables = set(connection.introspection.django_table_names()) - KEPT
    deletes = [sql.SQL("DELETE FROM {}").format(sql.Identifier(table)) for table in tables]
    # In any order: Django's foreign keys are looked at when the transaction commits.
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql.SQL("; ").join(deletes))
