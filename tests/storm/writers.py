"""Those who place orders: a process of several threads, each with a connection of its own.

    python -m tests.storm.writers

A line of JSON on standard input begins a storm: the fields of `Storm`. Each of its writers goes on
until it has committed so many events, or until the line `END`. Prints a line of JSON for each
transaction: its outcome, and the events that it would have published; and one after each storm.
"""

import json
import random
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from queue import SimpleQueue
from typing import NamedTuple

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.db import InterfaceError, OperationalError, connection, transaction  # noqa: E402

import realtime  # noqa: E402
from orders.events import ORDER_TYPE, STREAM  # noqa: E402
from orders.models import Order  # noqa: E402

COMMITTED = "committed"
ROLLED_BACK = "rolled back"
# The connection broke during COMMIT: only the database knows.
UNKNOWN = "unknown"

NOTE = "note"

# The command to end a storm, and what is printed when it has ended.
END = "end"
ENDED = "ended"


class Storm(NamedTuple):
    """pause: seconds between two transactions of a writer, on average."""

    seed: str
    first: int
    count: int
    events: int
    pause: float


class ChangedMind(Exception):
    """The customer leaves without buying."""


class Writer:
    """Writes orders in every way that an application has."""

    def __init__(
        self, number: int, customers: list[int], storm: Storm, ended: threading.Event
    ) -> None:
        self._number = number
        self._customers = customers
        self._random = random.Random(f"{storm.seed}/{number}")
        self._events = storm.events
        self._pause = storm.pause
        self._run = storm.seed
        self._ended = ended
        self._serial = count(1)
        self._mine: list[int] = []  # orders that are committed and can be moved on
        self._transaction: list[str] = []

    def run(self) -> None:
        committed = 0
        acts = [self._one, self._move_on, self._savepoints, self._long, self._bulk, self._note]
        while committed < self._events and not self._ended.is_set():
            [act] = self._random.choices(acts, weights=[8, 4, 3, 1, 1, 1])
            committed += self._transact(act)
            self._ended.wait(self._random.uniform(0, 2 * self._pause))
        connection.close()

    def _transact(self, act: Callable[[], list[int]]) -> int:
        """One transaction; how many events it is known to have committed."""
        self._transaction = []
        outcome = ROLLED_BACK
        placed = []
        try:
            with transaction.atomic():
                placed = act()
                if self._random.random() < 0.2:
                    raise ChangedMind
                outcome = UNKNOWN
            outcome = COMMITTED
            self._mine += placed
        except ChangedMind:
            pass
        except (OperationalError, InterfaceError):
            # The database is away. What the connection knew is worth nothing now.
            connection.close()
            self._ended.wait(0.2)
        report(outcome, self._transaction)
        return len(self._transaction) if outcome == COMMITTED else 0

    # Each returns the orders that it placed.

    def _one(self) -> list[int]:
        return [self._place()]

    def _move_on(self) -> list[int]:
        if not self._mine:
            return self._one()
        order = Order.objects.get(pk=self._mine.pop(self._random.randrange(len(self._mine))))
        order.status = Order.Status.PAID
        order.save()
        self._transaction.append(f"{order.product} {order.status}")
        return []

    def _savepoints(self) -> list[int]:
        placed = [self._place()]
        kept = list(self._transaction)
        try:
            with transaction.atomic():
                self._place()
                raise ChangedMind
        except ChangedMind:
            report(ROLLED_BACK, self._transaction[len(kept) :])
            self._transaction = kept
        with transaction.atomic():
            placed.append(self._place())
        return placed

    def _long(self) -> list[int]:
        placed = self._one()
        self._ended.wait(self._random.uniform(0.3, 1.5))
        return placed

    def _bulk(self) -> list[int]:
        orders = [self._order() for _ in range(self._random.randint(10, 60))]
        return [order.pk for order in Order.objects.bulk_create(orders)]

    def _note(self) -> list[int]:
        """An event that is no order, for nobody but the staff."""
        product = self._product()
        self._transaction.append(f"{product} {NOTE}")
        data = {"product": product, "status": NOTE}
        topic = realtime.Topic("storm", "note")
        realtime.publish(to=topic, type=ORDER_TYPE, data=data, stream=STREAM)
        return []

    def _place(self) -> int:
        order = self._order()
        order.save()
        return order.pk

    def _order(self) -> Order:
        order = Order(
            customer_id=self._random.choice(self._customers),
            product=self._product(),
            quantity=1,
            unit_price="4.50",
        )
        self._transaction.append(f"{order.product} {order.status}")
        return order

    def _product(self) -> str:
        return f"{self._run}/{self._number}/{next(self._serial)}"


_output = threading.Lock()


def report(outcome: str, events: list[str]) -> None:
    with _output:
        print(json.dumps([outcome, events]), flush=True)


def write(storm: Storm, ended: threading.Event) -> None:
    customers = list(
        get_user_model().objects.filter(is_staff=False).order_by("pk").values_list("pk", flat=True)
    )
    connection.close()
    numbers = range(storm.first, storm.first + storm.count)
    writers = [Writer(number, customers, storm, ended) for number in numbers]
    with ThreadPoolExecutor(storm.count) as threads:
        list(threads.map(Writer.run, writers))  # raises what one of them raised


def main() -> None:
    storms: SimpleQueue[tuple[Storm, threading.Event] | None] = SimpleQueue()

    def take_commands() -> None:
        ended = threading.Event()
        for line in sys.stdin:
            if (command := json.loads(line)) == END:
                ended.set()
            else:
                ended = threading.Event()
                storms.put((Storm(**command), ended))
        ended.set()
        storms.put(None)

    threading.Thread(target=take_commands, daemon=True).start()
    while (begun := storms.get()) is not None:
        write(*begun)
        report(ENDED, [])


if __name__ == "__main__":
    main()
