"""`manage.py load_test`: measures what a running server carries.

manage.py load_test --streams 1000 --orders-per-second 50 --seconds 30
manage.py load_test --url https://shop.example.com --scope all --streams 200
"""

import asyncio
import itertools
import math
import random
import resource
import secrets
import threading
import time
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.urls import reverse
from rest_framework_simplejwt.tokens import AccessToken

from orders.models import Order
from realtime import conf
from tools.crowd import Crowd, Delivered, NotOpened

PREFIX = "load-"
# The time in the product's name tells the client when the order's transaction began.
PRODUCT = "Load test, sent at "
# An event that has not arrived so long after the last order counts as lost.
LAST_SECONDS = 10.0
OTHER_FILES = 100


class Command(BaseCommand):
    help = (
        "Open many streams to a running server, place orders, and report how late their events "
        "arrive and how many are lost. The server has to use the same database and settings. The "
        "test's customers are called load-…; they and their orders are deleted at the end. Their "
        "events stay in the log until it is pruned."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the server is")
        parser.add_argument("--streams", type=_count, default=100)
        parser.add_argument("--orders-per-second", type=_number, default=10.0)
        parser.add_argument("--seconds", type=_number, default=10.0)
        parser.add_argument(
            "--scope",
            choices=["own", "all"],
            default="own",
            help="own: each stream is a customer's, each order for one of them; all: each stream "
            "is the shop's and gets every order",
        )
        parser.add_argument(
            "--yes-on-production",
            action="store_true",
            help="run this against a shop that real customers use",
        )

    def handle(
        self, *, streams: int, seconds: float, scope: str, yes_on_production: bool, **options: Any
    ) -> None:
        if settings.PRODUCTION and not yes_on_production:
            raise CommandError(
                "This is production: the test would place orders, and the shop's staff would see "
                "them. Add --yes-on-production if you want that."
            )
        _allow_open_files(streams + OTHER_FILES)
        with self._people(streams, scope, seconds) as (customers, tokens):
            run = Run(
                url=options["url"].rstrip("/") + reverse("orders_realtime"),
                scope=scope,
                tokens=tokens,
                customers=customers,
                orders_per_second=options["orders_per_second"],
                seconds=seconds,
                say=self.stdout.write,
            )
            try:
                asyncio.run(run.run())
            except NotOpened as error:
                hint = (
                    " The server has to use the same DJANGO_SECRET_KEY and database as this "
                    "command."
                    if " 401 " in str(error)
                    else ""
                )
                raise CommandError(f"{error}.{hint}") from error
        self.stdout.write(run.table())
        if run.lost or run.delivered.doubled:
            raise CommandError(
                f"{run.lost} deliveries were lost, {run.delivered.doubled} came twice."
                + ("" if run.delivered.events else " Does the server use this database?")
            )

    @contextmanager
    def _people(
        self, streams: int, scope: str, seconds: float
    ) -> Iterator[tuple[list[Any], list[str]]]:
        """The customers who order, and a token for each stream; they are deleted at the end."""
        users = get_user_model().objects
        run = f"{PREFIX}{secrets.token_hex(3)}-"  # two may do this at a time
        each = conf.get("MAX_STREAMS_PER_USER") if scope == "all" else 1
        people = users.bulk_create(
            users.model(username=f"{run}{number}", password="!")
            for number in range(math.ceil(streams / each))
        )
        try:
            if scope == "all":
                Permission.objects.get(
                    content_type__app_label="orders", codename="view_order"
                ).user_set.add(*people)
            tokens = [_token(person, seconds) for person in people]
            yield people, list(itertools.islice(itertools.cycle(tokens), streams))
        finally:
            self.stdout.write("Deleting the test's customers and orders …")
            mine = users.filter(username__startswith=run)
            Order.objects.filter(customer__in=mine).delete()
            mine.delete()


class Run:
    """One run of the test: its streams, its orders and the results."""

    def __init__(
        self,
        *,
        url: str,
        scope: str,
        tokens: list[str],
        customers: list[Any],
        orders_per_second: float,
        seconds: float,
        say: Callable[[str], Any],
    ) -> None:
        self.tokens = tokens
        self.customers = customers
        self.orders_per_second = orders_per_second
        self.seconds = seconds
        self.say = say
        self.readers_of_each = len(tokens) if scope == "all" else 1
        self.crowd = Crowd([f"{url}?scope={scope}"], _sent_at)
        self._ending = threading.Event()
        self.connect_seconds = 0.0
        self.placed = 0
        self.placing_seconds = 0.0
        self.delivered: Delivered = self.crowd.delivered

    @property
    def lost(self) -> int:
        return self.placed * self.readers_of_each - self.delivered.events

    async def run(self) -> None:
        try:
            self.say(f"Opening {len(self.tokens):,} streams …")
            self.connect_seconds = await self.crowd.open(
                {"Authorization": f"Bearer {token}"} for token in self.tokens
            )
            self.say(f"… done in {self.connect_seconds:.1f} s.")
            progress = asyncio.create_task(self._show_progress(), name="show progress")
            try:
                await asyncio.to_thread(self._place_orders)
                await self._last_events()
            finally:
                progress.cancel()
            self.delivered = self.crowd.delivered
        finally:
            # After Ctrl-C asyncio.run() waits for the thread that places orders.
            self._ending.set()
            await self.crowd.close()

    def _place_orders(self) -> None:
        """Place orders; runs in a thread, with a database connection of its own."""
        try:
            self._place_them()
        finally:
            connection.close()

    def _place_them(self) -> None:
        began = time.monotonic()
        for number in range(max(1, round(self.orders_per_second * self.seconds))):
            due = began + number / self.orders_per_second
            if self._ending.wait(max(0.0, due - time.monotonic())):
                break
            Order.objects.create(
                customer=random.choice(self.customers),
                product=f"{PRODUCT}{time.time():.6f}",
                quantity=1,
                unit_price=Decimal("1.00"),
            )
            self.placed += 1
        self.placing_seconds = time.monotonic() - began

    async def _last_events(self) -> None:
        deadline = time.monotonic() + LAST_SECONDS
        # Polled, because a wake-up for each delivery would take most of the time.
        while (  # noqa: ASYNC110
            self.crowd.events < self.placed * self.readers_of_each and time.monotonic() < deadline
        ):
            await asyncio.sleep(0.05)

    async def _show_progress(self) -> None:
        for second in itertools.count(1):
            await asyncio.sleep(1)
            self.say(f"{second:>4} s: {self.placed:,} orders, {self.crowd.events:,} deliveries")

    def table(self) -> str:
        delivered = self.delivered
        seconds = max(self.placing_seconds, 1 / self.orders_per_second)
        rows = [
            ("streams opened", f"{len(self.tokens):,}"),
            ("… in a second", f"{len(self.tokens) / self.connect_seconds:,.0f}"),
            ("orders placed", f"{self.placed:,}"),
            ("… in a second", f"{self.placed / seconds:,.1f}"),
            ("deliveries", f"{delivered.events:,}"),
            ("… in a second", f"{delivered.events / seconds:,.0f}"),
            ("from the order to the client, p50", _milliseconds(delivered.p50)),
            ("p95", _milliseconds(delivered.p95)),
            ("p99", _milliseconds(delivered.p99)),
            ("lost", f"{self.lost:,}"),
            ("came twice", f"{delivered.doubled:,}"),
            ("streams that the server ended", f"{delivered.ended:,}"),
        ]
        return "\n".join(f"{name:>34}  {value}" for name, value in rows)


def _sent_at(data: str) -> float | None:
    # The title of a notification also has the product, but doesn't begin with it.
    mark = data.partition(f'"{PRODUCT}')[2]
    return float(mark.partition('"')[0]) if mark else None


def _token(person: Any, seconds: float) -> str:
    token = AccessToken.for_user(person)
    # Valid for longer than the test, because a stream ends with its token.
    token.set_exp(lifetime=timedelta(seconds=seconds + 600))
    return str(token)


def _milliseconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1000:.1f} ms"


def _allow_open_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise CommandError(
            f"This needs {count:,} open files, and `ulimit -Hn` is {hard:,}: raise it, or ask for "
            "fewer streams."
        )
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ArgumentTypeError("say a whole number above 0")
    return int(text)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < math.inf:
        raise ArgumentTypeError("say a number above 0")
    return value
