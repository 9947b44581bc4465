"""Presence: a process says now and then, in a table, that it is there and who is connected.

For the admin, and nothing relies on it. One row a process, written over the connection that the hub
has anyway.
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
# A bounded row, however many there are: those with the most streams.
MOST_USERS = 500


class Presence:
    """Of one process, with these open streams."""

    def __init__(self, streams: OpenStreams) -> None:
        self._streams = streams
        self._id = uuid.uuid4()
        self._next_beat = 0.0
        # Whether the last beat has failed.
        self._is_failing = False

    async def beat(self, connection: psycopg.AsyncConnection) -> None:
        """Say so, if it is time again. Raises one of CONNECTION_ERRORS."""
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
            # Read-only, or without the privilege: no reason to stop what matters.
            if not self._is_failing:
                logger.warning("Could not say who is connected: %s", " ".join(str(error).split()))
            self._is_failing = True
