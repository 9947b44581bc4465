"""What our own sessions of PostgreSQL are set to, whatever the server's defaults are.

They live for days, and ask short questions. So they are never idle for too long, and a statement
ends in the server too when we no longer wait for it.
https://www.postgresql.org/docs/current/runtime-config-client.html
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from psycopg import sql

from .. import conf

# How soon a server finds out that we have hung up while it waits for a lock.
CHECK_CLIENT_MILLISECONDS = 1000

# Only if nothing stands between: what is set through PgBouncer in transaction mode would stay with
# a session that others use next. It shows by giving out another process id than the server's own.
# Joined with pg_settings, for older servers lack some of the names.
SET = """
    SELECT set_config(name, chosen.setting, false)
    FROM unnest(%(names)s::text[], %(values)s::text[]) AS chosen (name, setting)
    JOIN pg_settings USING (name)
    WHERE pg_backend_pid() = %(backend_pid)s
"""
CHECK_CLIENT = f"SET client_connection_check_interval = {CHECK_CLIENT_MILLISECONDS}"


def settings() -> dict[str, str]:
    """The settings of a session that is in autocommit, times in milliseconds."""
    query_milliseconds = str(int(conf.get("QUERY_SECONDS") * 1000))
    return {
        "statement_timeout": query_milliseconds,
        "idle_in_transaction_session_timeout": query_milliseconds,
        # A statement that waits for a lock may take as long as any other.
        "lock_timeout": "0",
        "idle_session_timeout": "0",
        # What is asked needs no more, and would fail by conflicts with what others write.
        "default_transaction_isolation": "read committed",
    }


async def prepare(connection: psycopg.AsyncConnection, role: str | None = None) -> None:
    """Set up a session in autocommit. Raises psycopg.Error.

    role: what Django's option `assume_role` says.
    """
    if role is not None:
        await connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
    chosen = settings()
    backend_pid = connection.info.backend_pid
    parameters = {
        "names": list(chosen),
        "values": list(chosen.values()),
        "backend_pid": backend_pid,
    }
    await connection.execute(SET, parameters)
    # Apart, for not every system can: there a stuck statement ends by its timeout.
    parameters = {
        "names": ["client_connection_check_interval"],
        "values": [str(CHECK_CLIENT_MILLISECONDS)],
        "backend_pid": backend_pid,
    }
    with suppress(psycopg.errors.InvalidParameterValue):
        await connection.execute(SET, parameters)


_of_thread = threading.local()


@contextmanager
def noticing_hang_ups() -> Iterator[None]:
    """Have the server notice when we hang up on what Django's connections ask in this thread.

    Only what is harmless to whoever uses such a session next, in a pool.
    """
    _of_thread.notices_hang_ups = True
    try:
        yield
    finally:
        _of_thread.notices_hang_ups = False


def connect_signals() -> None:
    """For `ready()`."""
    connection_created.connect(_on_connection_created, dispatch_uid="realtime.sessions")


def _on_connection_created(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    if connection.vendor != "postgresql" or not getattr(_of_thread, "notices_hang_ups", False):
        return
    # On psycopg's own connection: inside a transaction an error would be more than a setting lost.
    if connection.connection is None or not connection.get_autocommit():
        return
    with suppress(psycopg.errors.InvalidParameterValue, psycopg.errors.UndefinedObject):
        connection.connection.execute(CHECK_CLIENT)
