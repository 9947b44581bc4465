"""Dead letters: events that can't be numbered. They are set aside, so that others can be numbered.

The outbox has constraints against them. They occur all the same where somebody has dropped a
constraint, restored a dump of another version, or added a trigger to the log.
"""

import logging
from collections.abc import Sequence

import psycopg

logger = logging.getLogger("realtime")

SET_ASIDE = "SELECT * FROM realtime_set_aside(%(stream)s, %(number_rows)s)"
# The errors that one event can cause when it is moved into the log. A trigger raises the last one.
ERRORS = (psycopg.IntegrityError, psycopg.DataError, psycopg.errors.RaiseException)
# How many events of one call are logged one by one.
MOST_NAMED = 20

MESSAGE = (
    "Set aside the event with id %d of the stream %r (topic %r, type %r), which can't be numbered: "
    "%s. It is in realtime_deadletter now, and nobody is told of it."
)
MORE = "%d more events of the stream %r were set aside for similar reasons."


def report(stream: str, set_aside: Sequence[tuple[int, str, str, str]]) -> None:
    """Log which events were set aside: the rows that SET_ASIDE returned."""
    for id, topic, type, reason in set_aside[:MOST_NAMED]:
        logger.error(MESSAGE, id, stream, topic, type, reason)
    if len(set_aside) > MOST_NAMED:
        logger.error(MORE, len(set_aside) - MOST_NAMED, stream)
