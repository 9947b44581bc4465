"""The demo accounts, for a newcomer to sign in. They must never reach production."""

from functools import cache
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import check_password, make_password

PASSWORD = "demo"


def is_on() -> bool:
    """Whether this site is only for trying out."""
    return settings.DEBUG and not settings.PRODUCTION


class Account(NamedTuple):
    username: str
    description: str
    is_admin: bool = False


ACCOUNTS = [
    Account("shop", "the shop's admin: places orders and moves them on", is_admin=True),
    Account("alice", "a customer"),
    Account("bob", "another customer"),
]


def create_accounts() -> list[str]:
    """Create the demo accounts that don't exist yet; returns their names."""
    users = get_user_model().objects
    names = [account.username for account in ACCOUNTS]
    there = set(users.filter(username__in=names).values_list("username", flat=True))
    missing = [account for account in ACCOUNTS if account.username not in there]
    # One hash for all: it is slow on purpose, also for the sign-in page, which looks at each.
    hashed = make_password(PASSWORD) if missing else ""
    for account in missing:
        create = users.create_superuser if account.is_admin else users.create_user
        user = create(account.username)
        user.password = hashed
        user.save(update_fields=["password"])
    return [account.username for account in missing]


def accounts_text() -> str:
    """A text that lists the accounts for someone who has just started the site."""
    lines = [f"    {account.username:<10}{account.description}" for account in ACCOUNTS]
    return "\n".join([f"  Sign in with the password {PASSWORD} as", *lines])


def accounts_to_try() -> list[Account]:
    """The accounts that anybody may sign in as by one click; none on a site in production."""
    if not is_on():
        return []
    left = accounts_left()
    return [account for account in ACCOUNTS if account.username in left]


def accounts_left() -> list[str]:
    """The names of the accounts with which anyone who has read the README could sign in.

    Another user may be called Alice, too: only the password makes an account a demo account.
    """
    names = [account.username for account in ACCOUNTS]
    users = get_user_model().objects.filter(username__in=names, is_active=True).order_by("pk")
    return [
        username
        for username, password in users.values_list("username", "password")
        if _is_of_password(password)
    ]


@cache  # the login page asks for it each time
def _is_of_password(encoded: str) -> bool:
    return check_password(PASSWORD, encoded)
