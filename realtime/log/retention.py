"""Pruning deletes the oldest events of the log, and notes how far each stream was pruned.

A client whose cursor lies before that position gets a `reset`. Pruning is safe under load: readers
and publishing transactions never wait for it, numbering only for the end of a batch, see
`_prune_batch`.

`REALTIME["RETENTION"]` says how long the events of a stream are kept, and those of some kinds of
topics in it. An event that is kept for less time than its stream is emptied: its row stays without
data until the stream is pruned that far, because positions have no gaps.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from django.db import connections, transaction

from .. import conf
from .models import PrunedKind, Stream
from .notifications import PENDING_CHANNEL
from .sql import load

CUT_BY_AGE = load("prune_cut_by_age")
CUT_BY_NUMBER = load("prune_cut_by_number")
DELETE = load("prune_events")
EMPTY_KIND = load("prune_kind")
HINT = load("prune_hint")
# The lock is released with the transaction. A second prune of the same stream waits for it.
TAKE_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('realtime_prune ' || %(stream)s, 0))"
MARK = "SELECT max(mark) FROM realtime_event WHERE stream = %(stream)s AND position = %(through)s"
PRUNED_THROUGH = "SELECT pruned_through FROM realtime_stream WHERE name = %(stream)s"
RAISE_PRUNED_THROUGH = (
    "UPDATE realtime_stream SET pruned_through = %(through)s, pruned_mark = %(mark)s "
    "WHERE name = %(stream)s"
)

# Doesn't wait: if another session prunes this stream, that session will do it.
TRY_TURN = TAKE_TURN.replace("pg_advisory_xact_lock", "pg_try_advisory_xact_lock")

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
LONGEST_AGE = timedelta(days=36_500)  # a hundred years; PostgreSQL's calendar begins in 4713 BC
# The key in RETENTION for the streams, or kinds of topics, that it doesn't name.
OTHERS = "*"

# Bounded, so that no transaction runs for long and an interrupted prune loses only one batch.
BATCH_ROWS = 5000


class Batch(NamedTuple):
    """How many events one transaction deleted or emptied, and up to which position."""

    events: int
    through: int


class Due(NamedTuple):
    """Events that have been kept for long enough.

    kind: the kind of topic whose events are due; None: all events of the stream are.
    through: the position of the last of them.
    """

    stream: str
    kind: str | None
    through: int


def parse_age(text: str) -> timedelta:
    """The age that a text such as “30d” stands for: whole minutes, hours, days or weeks.

    Raises ValueError, with a message for the person who wrote the text.
    """
    match = re.fullmatch(r"([1-9][0-9]{0,8})([mhdw])", text)
    if match is None:
        raise ValueError(
            f"{text!r} is no age: say a whole number and its unit, as in 90m (minutes), "
            "36h (hours), 30d (days) or 8w (weeks)."
        )
    count, unit = match.groups()
    if (found := timedelta(**{UNITS[unit]: int(count)})) > LONGEST_AGE:
        raise ValueError(f"{text} is more than a hundred years.")
    return found


def ages(stream: str) -> dict[str, timedelta]:
    """How long a stream's events are kept, by kind of topic; OTHERS: the kinds without an entry.

    Without an entry for OTHERS, the other events are kept for ever.
    """
    retention = conf.get("RETENTION")
    pattern = next((name for name in retention if fnmatchcase(stream, name)), None)
    if pattern is None:
        return {}
    kept = retention[pattern]
    by_kind = {OTHERS: kept} if isinstance(kept, str) else kept
    return {kind: parse_age(age) for kind, age in by_kind.items()}


def due(database: str | None = None) -> Iterator[Due]:
    """The events that `REALTIME["RETENTION"]` says to prune now, in one database or in all."""
    if not conf.get("RETENTION"):
        return
    for stream in streams(database):
        for kind, age in ages(stream.name).items():
            through = cut_by_age(stream.name, age)
            if kind != OTHERS:
                yield Due(stream.name, kind, through)
            elif through > stream.pruned_through:
                yield Due(stream.name, None, through)


def prune_due(due: Due, *, wait: bool = True) -> Iterator["Batch"]:
    """Prune what is due, batch by batch.

    wait: if another session prunes the same stream, wait for it; otherwise leave it to that
        session.
    """
    if due.kind is None:
        return prune(due.stream, due.through, wait=wait)
    return _empty(due.stream, due.kind, due.through, wait=wait)


def streams(database: str | None = None) -> list[Stream]:
    """All streams that ever had an event, in one database or in all, ordered by name."""
    databases = conf.databases() if database is None else [database]
    found = [
        stream
        for alias in databases
        for stream in Stream.objects.using(alias).order_by("name")
        # Leaves out a stream that has since been moved to another database.
        if conf.database_of(stream.name) == alias
    ]
    return sorted(found, key=lambda stream: stream.name)


def cut_by_age(stream: str, older_than: timedelta) -> int:
    """The last position whose event was published longer ago than this.

    The newest event is never counted: processes need it to notice that they have missed events.
    """
    return _query(CUT_BY_AGE, stream=stream, seconds=older_than.total_seconds())


def cut_by_number(stream: str, keep: int) -> int:
    """The last position that is not among the newest `keep` (1 or more) events."""
    return _query(CUT_BY_NUMBER, stream=stream, keep=keep)


def prune(stream: str, through: int, *, wait: bool = True) -> Iterator[Batch]:
    """Delete the events up to a position, batch by batch.

    Each batch is committed before it is yielded, so the caller may stop at any time.

    wait: if another session prunes the same stream, wait for it; otherwise leave it to that
        session.
    """
    while (batch := _prune_batch(stream, through, wait)) is not None:
        yield batch


def _empty(stream: str, kind: str, through: int, *, wait: bool) -> Iterator[Batch]:
    """Empty the events of one kind of topic up to a position, batch by batch."""
    while (batch := _empty_batch(stream, kind, through, wait)) is not None:
        yield batch


def _empty_batch(stream: str, kind: str, through: int, wait: bool) -> Batch | None:
    database = conf.database_of(stream)
    with transaction.atomic(using=database):
        _execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED", stream=stream)
        if not _take_turn(stream, wait):
            return None
        marked = PrunedKind.objects.using(database).filter(stream=stream, kind=kind)
        earlier = marked.values_list("looked_through", flat=True).first() or 0
        after = max(earlier, _query(PRUNED_THROUGH, stream=stream))
        if after >= through:
            return None
        reached = min(after + BATCH_ROWS, through)
        events, last = _query_row(
            EMPTY_KIND, stream=stream, kind=kind, after=after, through=reached
        )
        # In the same transaction, as in _prune_batch. `through` only rises if events were emptied:
        # otherwise clients have missed nothing.
        marks = {"looked_through": reached, **({"through": last} if events else {})}
        PrunedKind.objects.using(database).update_or_create(
            stream=stream, kind=kind, defaults=marks
        )
    return Batch(events, reached)


def _take_turn(stream: str, wait: bool) -> bool:
    if wait:
        _execute(TAKE_TURN, stream=stream)
        return True
    return bool(_query(TRY_TURN, stream=stream))


def _prune_batch(stream: str, through: int, wait: bool) -> Batch | None:
    """Delete the lowest events of a stream; None if all up to that position are gone."""
    with transaction.atomic(using=conf.database_of(stream)):
        # At this level each statement has a snapshot of its own, whatever the project's default:
        # after the wait, the next one has to see what the prune before us has committed.
        _execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED", stream=stream)
        if not _take_turn(stream, wait):
            return None
        after = _query(PRUNED_THROUGH, stream=stream)
        if after >= through:
            return None
        reached = min(after + BATCH_ROWS, through)
        # By this mark we know that a client misses nothing if it has seen this event and none
        # later.
        mark = _query(MARK, stream=stream, through=reached)
        events = _execute(DELETE, stream=stream, after=after, through=reached)
        # In the same transaction, so that a replay never sees the deletion without this note. And
        # as its last statement, because it locks the stream's row against numbering.
        _execute(RAISE_PRUNED_THROUGH, stream=stream, through=reached, mark=mark)
    # A process that wanted to number in that moment did not wait for us: notify it again.
    _execute(HINT, stream=stream, channel=PENDING_CHANNEL)
    return Batch(events, reached)


def _execute(statement: str, *, stream: str, **parameters: Any) -> int:
    with connections[conf.database_of(stream)].cursor() as cursor:
        cursor.execute(statement, {"stream": stream, **parameters})
        return int(cursor.rowcount)


def _query_row(statement: str, *, stream: str, **parameters: Any) -> tuple[int, ...]:
    with connections[conf.database_of(stream)].cursor() as cursor:
        cursor.execute(statement, {"stream": stream, **parameters})
        row: tuple[int, ...] = cursor.fetchone()
        return row


def _query(statement: str, *, stream: str, **parameters: Any) -> int:
    [value] = _query_row(statement, stream=stream, **parameters)
    return int(value)
