"""Makes the tables and the accounts of the storm.

    python -m tests.storm.people

Prints the accounts as JSON. Customers get their own orders, staff everybody's.
"""

import json
from typing import NamedTuple

CUSTOMERS = 30
STAFF = 5


class Person(NamedTuple):
    topic: str
    token: str
    is_staff: bool


def main() -> None:
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from rest_framework_simplejwt.tokens import AccessToken

    from realtime import topic_of

    call_command("migrate", verbosity=0)
    users = get_user_model().objects
    made = [users.create_user(f"customer-{number}") for number in range(CUSTOMERS)]
    made += [users.create_superuser(f"staff-{number}") for number in range(STAFF)]
    print(
        json.dumps(
            [
                Person(topic_of(user), str(AccessToken.for_user(user)), user.is_staff)
                for user in made
            ]
        )
    )


if __name__ == "__main__":
    main()
