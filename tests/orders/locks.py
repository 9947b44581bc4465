"""Two transactions that meet at one row."""

import psycopg

from ..servers import database_url


def wait_until_somebody_waits_for_a_row() -> None:
    with psycopg.connect(database_url(), autocommit=True) as watcher:
        for _ in range(500):  # ten seconds
            (waiting,) = watcher.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND wait_event_type = 'Lock'"
            ).fetchone()
            if waiting:
                return
            watcher.execute("SELECT pg_sleep(0.02)")
    raise AssertionError("Nobody waits for a row: nothing was read under a lock.")
