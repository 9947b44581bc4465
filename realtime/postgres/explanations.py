"""What an error of PostgreSQL means, in a sentence for the person who has to fix it.

A sentence names no hosts or accounts, as the server's own messages do: anyone may read /readyz.
https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

import psycopg

READ_ONLY = (
    "The database takes no writes: its transactions are read-only (default_transaction_read_only "
    "is on, or the server is a standby)."
)
TOO_MANY_CONNECTIONS = (
    "The database takes no more connections: max_connections, or the limit of this role or "
    "database, is reached."
)
REFUSED = "The database refuses this role or its password."

BY_SQLSTATE = {
    "25006": READ_ONLY,
    "28000": REFUSED,
    "28P01": REFUSED,
    "42501": "The database role lacks a privilege that it needs, see what this process has logged.",
    "42P01": "A table of realtime is missing: run manage.py migrate.",
    "42883": "A function of realtime is missing: run manage.py migrate.",
    "53100": "The database server's disk is full.",
    "53200": "The database server is out of memory.",
    "53300": TOO_MANY_CONNECTIONS,
    "55P03": "A lock was not acquired in time: something holds a lock on a table of realtime.",
    "57014": "A query took longer than REALTIME['QUERY_SECONDS']: the database is overloaded, or "
    "something holds a lock on a table of realtime.",
    "57P03": "The database server is starting up or shutting down.",
    "3D000": "There is no such database.",
}
# libpq gives no SQLSTATE for a connection that it could not open. These are the server's English
# messages; there is no explanation for a server whose lc_messages is another language.
BY_WORDS = {
    "too many clients already": TOO_MANY_CONNECTIONS,
    "remaining connection slots are reserved": TOO_MANY_CONNECTIONS,
    "too many connections for": TOO_MANY_CONNECTIONS,
    "password authentication failed": REFUSED,
    "no password supplied": REFUSED,
    "no pg_hba.conf entry": REFUSED,
    "is not permitted to log in": REFUSED,
    "the database system is": BY_SQLSTATE["57P03"],
    "session is read-only": READ_ONLY,
}


def explain(error: BaseException) -> str | None:
    """The sentence for an error of psycopg, or of Django with one as its cause; None: none fits."""
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    sqlstate = getattr(cause, "sqlstate", None)
    if sqlstate is not None:
        return BY_SQLSTATE.get(sqlstate)
    text = str(error)
    return next((said for words, said in BY_WORDS.items() if words in text), None)
