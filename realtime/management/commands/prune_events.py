"""`manage.py prune_events`: keep the event log from growing for ever. For a nightly job.

manage.py prune_events --older-than 30d
manage.py prune_events --keep 100000 --stream orders --dry-run
"""

import re
from argparse import ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from realtime.log import retention
from realtime.models import Stream

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
LONGEST_AGE = timedelta(days=36_500)  # a hundred years; PostgreSQL's calendar begins in 4713 BC
LARGEST_NUMBER = 2**63 - 1  # PostgreSQL's bigint, which positions are


class Command(BaseCommand):
    help = (
        "Delete the oldest events of the log, in batches, while the site is running. A client "
        "that has been away for longer is told to reload instead of being sent what it missed. "
        "The newest event of each stream always stays, and so do events that wait for a number."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument(
            "--older-than",
            type=age,
            metavar="AGE",
            help="delete what was published longer ago than this: 90m, 36h, 30d or 8w",
        )
        what.add_argument(
            "--keep",
            type=number,
            metavar="NUMBER",
            help="keep this many of the newest events of each stream, delete the others",
        )
        parser.add_argument("--stream", help="only this stream; all of them without it")
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be deleted, and delete nothing"
        )

    def handle(
        self,
        *,
        older_than: timedelta | None,
        keep: int | None,
        stream: str | None,
        dry_run: bool,
        verbosity: int,
        **options: Any,
    ) -> None:
        chosen = self._chosen(stream)
        if not chosen:
            self.stdout.write("There are no streams yet: nothing to prune.")
        for row in chosen:
            if keep is None:
                through = retention.cut_by_age(row.name, older_than)
            else:
                through = retention.cut_by_number(row.name, keep)
            if dry_run:
                self._report(row, "would prune", through - row.pruned_through, through)
            else:
                self._prune(row, through, each_batch=verbosity > 1)

    def _chosen(self, name: str | None) -> list[Stream]:
        streams = retention.streams()
        if name is None:
            return streams
        chosen = [row for row in streams if row.name == name]
        if not chosen:
            names = ", ".join(row.name for row in streams) or "none yet"
            raise CommandError(f"There is no stream {name!r}. There are: {names}.")
        return chosen

    def _prune(self, stream: Stream, through: int, *, each_batch: bool) -> None:
        events, reached = 0, stream.pruned_through
        try:
            for batch in retention.prune(stream.name, through):
                events, reached = events + batch.events, batch.through
                if each_batch:
                    self.stdout.write(f"{stream.name}: {batch.events} up to position {reached}")
        finally:  # also if it is interrupted, for what was done by then stays done
            self._report(stream, "pruned", events, reached)

    def _report(self, stream: Stream, verb: str, events: int, through: int) -> None:
        up_to = f" up to position {through}" if events else ""
        stay = stream.position - through  # positions ascend by one
        self.stdout.write(f"{stream.name}: {verb} {events} events{up_to}; {stay} stay.")


def age(text: str) -> timedelta:
    """“30d” and the like, as a timedelta."""
    match = re.fullmatch(r"([1-9][0-9]{0,8})([mhdw])", text)
    if match is None:
        raise ArgumentTypeError(
            f"{text!r} is no age: say a whole number and its unit, as in 90m (minutes), "
            "36h (hours), 30d (days) or 8w (weeks)."
        )
    count, unit = match.groups()
    if (found := timedelta(**{UNITS[unit]: int(count)})) > LONGEST_AGE:
        raise ArgumentTypeError(f"{text} is more than a hundred years.")
    return found


def number(text: str) -> int:
    """How many events to keep."""
    if not re.fullmatch(r"[1-9][0-9]{0,18}", text) or int(text) > LARGEST_NUMBER:
        raise ArgumentTypeError(f"{text!r}: say how many events to keep, 1 or more.")
    return int(text)
