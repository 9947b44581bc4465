"""A process that uses an embedded PostgreSQL: a real one, to be killed and outlived.

    python -m tests.realtime.postgres.postgres_user FOLDER

Answers each line on its standard input with the server's connection string.
"""

import sys
from pathlib import Path

from psycopg.conninfo import make_conninfo

from realtime.postgres.embedded.server import Server


def main() -> None:
    server = Server(Path(sys.argv[1]))
    for _ in sys.stdin:
        print(make_conninfo(dbname="postgres", **server.connection_parameters()), flush=True)


if __name__ == "__main__":
    main()
