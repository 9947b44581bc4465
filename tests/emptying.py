"""Empties the test database after each test that commits, and keeps what the migrations made.

Django truncates all tables and makes content types and permissions anew, 55 ms for each of several
hundred tests; to delete the few rows that one has left takes half a millisecond.
"""

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.test import TransactionTestCase
from psycopg import sql

KEPT = {ContentType, Permission}


@pytest.fixture(scope="session", autouse=True)
def emptied_by_deleting() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        # pytest-django's `transactional_db` is such a test case, and has no other way in.
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda test_case: delete_all())
        yield


def delete_all() -> None:
    models = [model for model in apps.get_models(include_auto_created=True) if model not in KEPT]
    # The order doesn't matter: Django's foreign keys are looked at when the transaction commits.
    statements = [
        sql.SQL("DELETE FROM {}").format(sql.Identifier(model._meta.db_table))
        for model in models
        if model._meta.managed and not model._meta.proxy
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql.SQL("; ").join(statements))
