"""Django's own connections, where a thread keeps them from request to request."""

import re
from collections.abc import Callable
from typing import Any, Self

from django.db import connections

# What is still there for the next request that uses the connection.
CHANGES_SESSION = re.compile(
    r"\s*(set\s+(?!local\b|transaction\b|constraints\b)|listen\b|create\s+temp)"
)
CHANGING_FUNCTIONS = ("set_config", "pg_advisory_lock")


def keep_django_connections() -> None:
    """Keep this thread's connections open when the request that opened them ends.

    The caller has to close them: `CONN_MAX_AGE` no longer applies to them.
    """
    for connection in connections.all(initialized_only=True):
        connection.close_at = None


class SessionSettings:
    """Notices statements that change the session of a connection of this thread, such as `SET`.

    Middleware may set the current user there, for row security. A project with `CONN_MAX_AGE` 0
    relies on it to end with the request. This is an execute wrapper of Django's.
    """

    def __init__(self) -> None:
        self._changed: set[str] = set()

    def __enter__(self) -> Self:
        for connection in connections.all():
            connection.execute_wrappers.append(self)
        return self

    def __exit__(self, *error: Any) -> None:
        for connection in connections.all():
            connection.execute_wrappers.remove(self)

    def __call__(
        self,
        execute: Callable[..., Any],
        statement: Any,
        parameters: Any,
        many: bool,
        context: dict[str, Any],
    ) -> Any:
        if _changes_session(str(statement)):
            self._changed.add(context["connection"].alias)
        return execute(statement, parameters, many, context)

    def close_changed(self) -> None:
        """Close the connections whose sessions aren't as they began."""
        for alias in self._changed:
            connections[alias].close()
        self._changed.clear()


def _changes_session(statement: str) -> bool:
    text = statement.lower()
    return any(one in text for one in CHANGING_FUNCTIONS) or bool(CHANGES_SESSION.match(text))
