"""Dead letters: events that can't be numbered, set aside so that their neighbours can.

The constraints of the outbox refuse them as they are written. They come about all the same: where
somebody has dropped a constraint, has put back a dump of another version, or has a trigger.
"""

import logging
from collections.abc import Sequence

import psycopg

logger = logging.getLogger("realtime")

SET_ASIDE = "SELECT * FROM realtime_set_aside(%(stream)s, %(number_rows)s)"
# What an event of its own may cause as it is moved into the log. A trigger raises the last one.
ERRORS = (psycopg.IntegrityError, psycopg.DataError, psycopg.errors.RaiseException)
# Of how many together the log tells one by one.
MOST_NAMED = 20

MESSAGE = (
    "Set aside the event with id %d of the stream %r (topic %r, type %r), which can't be numbered: "
    "%s. It is in realtime_deadletter now, and nobody is told of it."
)
MORE = "%d more events of the stream %r were set aside for the like."


def report(stream: str, set_aside: Sequence[tuple[int, str, str, str]]) -> None:
    """Tell the log which events were set aside, as SET_ASIDE returns them."""
    for id, topic, type, reason in set_aside[:MOST_NAMED]:
        logger.error(MESSAGE, id, stream, topic, type, reason)
    if len(set_aside) > MOST_NAMED:
        logger.error(MORE, len(set_aside) - MOST_NAMED, stream)
