"""`manage.py prune_events`: keep the event log from growing for ever. For a nightly job.

manage.py prune_events                        by REALTIME["RETENTION"]
manage.py prune_events --older-than 30d
manage.py prune_events --keep 100000 --stream orders --dry-run
"""

import re
from argparse import ArgumentTypeError
from datetime import timedelta
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from realtime import conf
from realtime.log import retention
from realtime.models import Stream

LARGEST_NUMBER = 2**63 - 1  # PostgreSQL's bigint, which positions are


class Command(BaseCommand):
    help = (
        "Delete the oldest events of the log, in batches, while the site is running. A client "
        "that has been away for longer is told to reload instead of being sent what it missed. "
        "The newest event of each stream always stays, and so do events that wait for a number."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
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
        parser.epilog = "Without either: what REALTIME['RETENTION'] says."
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
        if older_than is not None:
            cut = partial(retention.cut_by_age, older_than=older_than)
        elif keep is not None:
            cut = partial(retention.cut_by_number, keep=keep)
        else:
            self._prune_due({row.name for row in chosen}, dry_run)
            return
        for row in chosen:
            through = cut(row.name)
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

    def _prune_due(self, chosen: set[str], dry_run: bool) -> None:
        """By REALTIME["RETENTION"]."""
        if not conf.get("RETENTION"):
            raise CommandError(
                "Say what to prune: --older-than or --keep, or set REALTIME['RETENTION']."
            )
        for due in retention.due():
            if due.stream not in chosen:
                continue
            what = due.stream if due.kind is None else f"{due.stream}, {due.kind}"
            if dry_run:
                self.stdout.write(f"{what}: would prune up to position {due.through}.")
            elif events := sum(batch.events for batch in retention.prune_due(due)):
                self.stdout.write(f"{what}: pruned {events} events up to position {due.through}.")

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
    try:
        return retention.parse_age(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def number(text: str) -> int:
    """How many events to keep."""
    if not re.fullmatch(r"[1-9][0-9]{0,18}", text) or int(text) > LARGEST_NUMBER:
        raise ArgumentTypeError(f"{text!r}: say how many events to keep, 1 or more.")
    return int(text)
