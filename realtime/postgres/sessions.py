"""The settings of our own sessions of PostgreSQL, whatever the server's defaults are.

They live for days and run short queries. So no time-out may end them when they are idle, and the
server has to end a statement whose result we no longer wait for.
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

# Only on a direct connection: a setting made through PgBouncer in transaction mode would stay with
# a session that other clients use next. PgBouncer is recognised by the process id that it reports,
# which isn't the server's. The join with pg_settings leaves out names that older servers lack.
SET = """
    SELECT set_config(name, chosen.setting, false)
    FROM unnest(%(names)s::text[], %(values)s::text[]) AS chosen (name, setting)
    JOIN pg_settings USING (name)
    WHERE pg_backend_pid() = %(backend_pid)s
"""
CHECK_CLIENT = f"SET client_connection_check_interval = {CHECK_CLIENT_MILLISECONDS}"


def settings() -> dict[str, str]:
    """The settings of a session that is in autocommit; times are in milliseconds."""
    query_milliseconds = str(int(conf.get("QUERY_SECONDS") * 1000))
    return {
        "statement_timeout": query_milliseconds,
        "idle_in_transaction_session_timeout": query_milliseconds,
        # A statement that waits for a lock is ended by statement_timeout, like any other.
        "lock_timeout": "0",
        "idle_session_timeout": "0",
        # Our queries need no more; at higher levels they could fail with serialization errors.
        "default_transaction_isolation": "read committed",
    }


async def prepare(connection: psycopg.AsyncConnection, role: str | None = None) -> None:
    """Set up a session in autocommit. Raises psycopg.Error.

    role: the value of Django's option `assume_role`.
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
    # On its own, because some systems don't support it: there statement_timeout has to do.
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
    """Have the server end the queries of this thread's Django connections when we hang up.

    Nothing else is set: in a pool other code uses the session next, and this does it no harm.
    """
    _of_thread.notices_hang_ups = True
    try:
        yield
    finally:
        _of_thread.notices_hang_ups = False


def connect_signals() -> None:
    """Connect the signal handlers; called by the app's `ready()`."""
    connection_created.connect(_on_connection_created, dispatch_uid="realtime.sessions")


def _on_connection_created(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    if connection.vendor != "postgresql" or not getattr(_of_thread, "notices_hang_ups", False):
        return
    # Not inside a transaction: an error there would abort the transaction.
    if connection.connection is None or not connection.get_autocommit():
        return
    with suppress(psycopg.errors.InvalidParameterValue, psycopg.errors.UndefinedObject):
        connection.connection.execute(CHECK_CLIENT)
