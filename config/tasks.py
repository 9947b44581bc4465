"""A worker for tasks inside another process, so that one command runs the whole site."""

import logging
import time

from django.db import Error, connections
from django_tasks_db.management.commands.db_worker import Worker

logger = logging.getLogger("config")

LOOK_EVERY_SECONDS = 0.5
# How long to wait after the database was away.
AGAIN_AFTER_SECONDS = 1.0


def work_for_ever() -> None:
    """Work on tasks in the calling thread, for ever. If the database is away, try again later."""
    while True:
        try:
            _worker().run()
        except Error as error:
            logger.debug("Tasks wait for the database: %s", error)
            connections.close_all()
            time.sleep(AGAIN_AFTER_SECONDS)


def _worker() -> Worker:
    return Worker(
        queue_names=["*"],
        interval=LOOK_EVERY_SECONDS,
        batch=False,
        backend_name="default",
        startup_delay=False,
        max_tasks=None,
        worker_id="runserver",
        excluded_queue_names=[],
    )
