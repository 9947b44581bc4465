"""Checks that need the database, and so can't be made when the settings are read."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.core.checks import Error
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError
from django.db import connection

from .demo import accounts

DEMO_ACCOUNTS_LEFT = (
    "The demo accounts are in this database, with the password that everybody knows: {names}."
)
HINT = "Delete them, or give each a new password: manage.py changepassword {name}"


def check_demo_accounts(app_configs: Any = None, **kwargs: Any) -> list[Error]:
    """config.E001: production with demo accounts."""
    names = _demo_accounts_left() if settings.PRODUCTION else []
    if not names:
        return []
    return [
        Error(
            DEMO_ACCOUNTS_LEFT.format(names=", ".join(names)),
            hint=HINT.format(name=names[0]),
            id="config.E001",
        )
    ]


def refuse_demo_accounts() -> None:
    """Raise ImproperlyConfigured if a process in production would serve the demo accounts."""
    if not settings.PRODUCTION:
        return
    # In a thread, because uvicorn imports the application inside its event loop, where Django
    # allows no queries.
    with ThreadPoolExecutor(1, "config-checks") as thread:
        errors = thread.submit(_check_and_disconnect).result()
    if errors:
        raise ImproperlyConfigured(f"{errors[0].msg} {errors[0].hint}")


def _demo_accounts_left() -> list[str]:
    try:
        return accounts.accounts_left()
    except DatabaseError:
        # The database is away or not migrated yet: a process may start before its database does.
        return []


def _check_and_disconnect() -> list[Error]:
    try:
        return check_demo_accounts()
    finally:
        connection.close()  # this thread's own
