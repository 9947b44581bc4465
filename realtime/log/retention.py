"""Pruning: the oldest events leave the log, and the log remembers up to where.

A client whose cursor lies before that position is told so by a reset. Beside traffic it is safe:
writers and readers never wait for it, publishers only for the end of a batch, see `_prune_batch`.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from django.db import connections, transaction

from .. import conf
from .models import Stream
from .notifications import PENDING_CHANNEL
from .sql import load

CUT_BY_AGE = load("prune_cut_by_age")
CUT_BY_NUMBER = load("prune_cut_by_number")
DELETE = load("prune_events")
HINT = load("prune_hint")
# Released at the end of the transaction. A second prune of the same stream waits for its turn.
TAKE_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('realtime_prune ' || %(stream)s, 0))"
PRUNED_THROUGH = "SELECT pruned_through FROM realtime_stream WHERE name = %(stream)s"
RAISE_PRUNED_THROUGH = (
    "UPDATE realtime_stream SET pruned_through = %(through)s WHERE name = %(stream)s"
)

# Bounded: no transaction runs for long, and an interrupted prune loses one batch of its work.
BATCH_ROWS = 5000


class Batch(NamedTuple):
    """What one transaction has deleted: so many events, up to this position."""

    events: int
    through: int


def streams() -> list[Stream]:
    """All streams that ever had an event, by name."""
    return list(Stream.objects.using(conf.get("DATABASE")).order_by("name"))


def cut_by_age(stream: str, older_than: timedelta) -> int:
    """The last position whose event is older than this, by the time it was published.

    The newest event always stays: by it each process notices what it has not seen before.
    """
    return _query(CUT_BY_AGE, stream=stream, seconds=older_than.total_seconds())


def cut_by_number(stream: str, keep: int) -> int:
    """The last position that is not among the newest `keep` (1 or more) events."""
    return _query(CUT_BY_NUMBER, stream=stream, keep=keep)


def prune(stream: str, through: int) -> Iterator[Batch]:
    """Delete the events up to a position, batch by batch.

    Each batch is committed before it is yielded, so it can be left off at any time.
    """
    while (batch := _prune_batch(stream, through)) is not None:
        yield batch


def _prune_batch(stream: str, through: int) -> Batch | None:
    """Delete the lowest events of a stream; None if all up to that position are gone."""
    with transaction.atomic(using=conf.get("DATABASE")):
        # Each statement with a snapshot of its own, whatever the project's default is: the second
        # has to see what the prune before us has committed.
        _execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        _execute(TAKE_TURN, stream=stream)
        after = _query(PRUNED_THROUGH, stream=stream)
        if after >= through:
            return None
        reached = min(after + BATCH_ROWS, through)
        events = _execute(DELETE, stream=stream, after=after, through=reached)
        # In the same transaction: a replay sees both or neither, so it never meets a hole that
        # nobody has marked. And last: this locks the stream's row against publishers.
        _execute(RAISE_PRUNED_THROUGH, stream=stream, through=reached)
    # A publisher that came in that moment did not wait for us: it has to be called again.
    _execute(HINT, stream=stream, channel=PENDING_CHANNEL)
    return Batch(events, reached)


def _execute(statement: str, **parameters: object) -> int:
    with connections[conf.get("DATABASE")].cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.rowcount


def _query(statement: str, **parameters: object) -> int:
    with connections[conf.get("DATABASE")].cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone()[0]
