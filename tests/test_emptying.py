"""What a test does to the database must not reach the next one."""

import psycopg
import pytest
from django.db import connection

from .emptying import delete_all
from .servers import database_url


@pytest.mark.django_db(transaction=True)
def test_a_test_may_end_its_own_session(alice):
    with psycopg.connect(database_url(), autocommit=True) as other:
        own = connection.connection.info.backend_pid
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [own])
    delete_all()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM auth_user")
        assert cursor.fetchone() == (0,)
