"""Presence: each process reports periodically, in a table, that it lives and who is connected.

The admin shows it, and nothing relies on it. It is one row a process, written over the hub's own
connection.
"""

import asyncio
import json
import logging
import os
import socket
import uuid

import psycopg

from .. import conf
from ..log.sql import load
from ..postgres.connections import CONNECTION_ERRORS
from ..postgres.deadlines import deadline
from .open_streams import OpenStreams

logger = logging.getLogger("realtime")

BEAT = load("process_beat")
BEAT_SECONDS = 15.0
# How many users a row names at most, those with the most streams first.
MOST_USERS = 500


class Presence:
    """Reports the presence of one process, with these open streams."""

    def __init__(self, streams: OpenStreams) -> None:
        self._streams = streams
        self._id = uuid.uuid4()
        self._next_beat = 0.0
        # Whether the last report has failed.
        self._is_failing = False

    async def beat(self, connection: psycopg.AsyncConnection) -> None:
        """Report, if it is time again. Raises one of CONNECTION_ERRORS."""
        now = asyncio.get_running_loop().time()
        if now < self._next_beat:
            return
        self._next_beat = now + BEAT_SECONDS
        users = self._streams.by_user()
        parameters = {
            "id": self._id,
            "host": socket.gethostname()[:255],
            "pid": os.getpid(),
            "streams": users.total(),
            "users": json.dumps(dict(users.most_common(MOST_USERS))),
        }
        try:
            with deadline(conf.get("QUERY_SECONDS"), connection):
                await connection.execute(BEAT, parameters)
            self._is_failing = False
        except CONNECTION_ERRORS:
            raise
        except psycopg.Error as error:
            # The database is read-only, or the privilege is missing: events matter more than this.
            if not self._is_failing:
                logger.warning("Could not say who is connected: %s", " ".join(str(error).split()))
            self._is_failing = True
