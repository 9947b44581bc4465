"""Two transactions that meet at one row."""

import psycopg

from ..servers import database_url
from ..waiting import wait_until

WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


def wait_until_somebody_waits_for_a_row() -> None:
    with psycopg.connect(database_url(), autocommit=True) as watcher:
        wait_until(
            lambda: watcher.execute(WAITING).fetchone() != (0,),
            otherwise=lambda: "Nobody waits for a row: nothing was read under a lock.",
        )
