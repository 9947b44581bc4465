"""The accounts of the storm: customers get their own orders, staff everybody's.

    python -m tests.storm.people

makes the tables too, and prints the accounts as JSON.
"""

import json
from typing import NamedTuple

import psycopg

CUSTOMERS = 30
STAFF = 5


class Person(NamedTuple):
    topic: str
    token: str
    is_staff: bool


INSERT = """
    INSERT INTO auth_user (username, password, is_staff, is_superuser, is_active, date_joined,
        first_name, last_name, email)
    SELECT format('%%s-%%s', %s::text, n), '!', %s, %s, true, now(), '', '', ''
    FROM generate_series(1, %s) AS n RETURNING id, password
"""


def make(session: psycopg.Connection) -> list[Person]:
    """In a database that has the tables."""
    from django.contrib.auth import get_user_model
    from rest_framework_simplejwt.tokens import AccessToken

    people = []
    for kind, is_staff, number in (("customer", False, CUSTOMERS), ("staff", True, STAFF)):
        made = session.execute(INSERT, [kind, is_staff, is_staff, number]).fetchall()
        for pk, password in made:
            token = AccessToken.for_user(get_user_model()(pk=pk, password=password))
            people.append(Person(f"auth.user:{pk}", str(token), is_staff))
    return people


def main() -> None:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        print(json.dumps(make(cursor.connection)))


if __name__ == "__main__":
    main()
