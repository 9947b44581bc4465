"""What is done inside a checkout's own Django: people, their tokens, events, orders.

Started by trees.py in the folder of the checkout that is measured, which may be of another version:
it imports nothing of the benchmark, and what differs between versions is in LOGS. Each line on
stdin is a command with its arguments as JSON, each line on stdout its answer.
"""

import json
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any, NamedTuple

import django

UNUSABLE_PASSWORD = "!benchmark"
MOST_WRITERS = 32


class Log(NamedTuple):
    """How a version writes its events. target: the column that says whom an event concerns."""

    stream: str
    target: str
    user: str  # the user with a key, as text of that column


LOGS = {
    "topic": Log("default", "topic", "auth.user:"),
    # Up to commit 8fcc939: a stream of the shop's, and a user's key.
    "recipient": Log("orders", "recipient", ""),
}

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402 (after the setup)
from django.contrib.auth.models import Permission  # noqa: E402
from django.db import connection  # noqa: E402
from django.db.models.signals import post_save  # noqa: E402
from rest_framework_simplejwt.tokens import AccessToken  # noqa: E402

from orders.models import Order  # noqa: E402
from realtime import models  # noqa: E402

OUTBOX = models.OutboxEvent
LOG = next(LOGS[field.name] for field in OUTBOX._meta.get_fields() if field.name in LOGS)
PUBLISH = (
    "INSERT INTO realtime_outbox (stream, TARGET, type, data) VALUES (%s, %s, 'orders', %s)"
).replace("TARGET", LOG.target)
MISSED = (
    "INSERT INTO realtime_outbox (stream, TARGET, type, data)"
    " SELECT %s, %s || id, 'orders', %s FROM auth_user WHERE username LIKE 'customer-%%'"
    " ORDER BY id LIMIT %s"
).replace("TARGET", LOG.target)
HINT = "SELECT pg_notify('realtime_pending', %s)"

numbers = iter(range(1, sys.maxsize))
writers = ThreadPoolExecutor(MOST_WRITERS, thread_name_prefix="writer")


def mark() -> str:
    """`load NUMBER TIME`, by which streams.c knows an event whose transaction begins now."""
    return f"load {next(numbers)} {time.time_ns() // 1000}"


def data() -> str:
    """What the shop tells of an order, of the usual size."""
    order = {"order": 1234567, "status": "placed", "product": mark(), "quantity": 2}
    order |= {"unit_price": "4.50", "total": "9.00", "customer": "customer-1"}
    moment = "2026-11-22T13:59:42.492031Z"
    return json.dumps({**order, "placed_at": moment, "changed_at": moment}, separators=(",", ":"))


def execute(*statements: tuple[str, list[Any]]) -> None:
    with connection.cursor() as cursor:
        for statement, parameters in statements:
            cursor.execute(statement, parameters)


# Commands


def people(kind: str, count: int) -> list[str]:
    """Header lines that authenticate so many users. The staff may see everybody's orders."""
    users = get_user_model().objects
    names = [f"{kind}-{number}" for number in range(count)]
    known = set(users.filter(username__in=names).values_list("username", flat=True))
    users.bulk_create(
        get_user_model()(username=name, password=UNUSABLE_PASSWORD)
        for name in names
        if name not in known
    )
    found = list(users.filter(username__in=names).order_by("pk"))
    if kind == "staff":
        Permission.objects.get(codename="view_order").user_set.add(*found)
    return [f"Authorization: Bearer {AccessToken.for_user(user)}" for user in found]


def cursor() -> str:
    """Where the log stands, as a client that has seen all says it."""
    if LOG.target == "recipient":
        position = models.Stream.objects.filter(name=LOG.stream).values_list("position", flat=True)
        return str(position.first() or 0)
    import realtime

    return str(realtime.current_cursor(LOG.stream))


def publish(per_second: float, seconds: float) -> int:
    """One event after the other at this rate, each in a transaction of its own. How many."""
    total, began = round(per_second * seconds), time.monotonic()
    for number in range(total):
        time.sleep(max(0.0, began + number / per_second - time.monotonic()))
        execute((PUBLISH, [LOG.stream, f"{LOG.user}999999", data()]), (HINT, [LOG.stream]))
    return total


def let_miss(customers: int, events: int) -> None:
    """So many events for each of these, which a server that runs numbers. Returns when it has."""
    for _ in range(events):
        execute((MISSED, [LOG.stream, LOG.user, data(), customers]), (HINT, [LOG.stream]))
    deadline = time.monotonic() + 60
    while OUTBOX.objects.exists():
        if time.monotonic() > deadline:
            raise TimeoutError("Events were not numbered within a minute.")
        time.sleep(0.05)


def check_out(
    threads: int, seconds: float, per_second: float | None, publishing: bool
) -> list[float]:
    """Milliseconds that each order took in so many threads at once. per_second: of each thread."""
    _publish_orders(publishing)
    before = _events()
    customers = list(get_user_model().objects.filter(username__startswith="customer-")[:100])
    together = threading.Barrier(threads)

    def place() -> float:
        began = time.perf_counter()
        Order.objects.create(
            customer=random.choice(customers),
            product=mark(),
            quantity=2,
            unit_price=Decimal("4.50"),
        )
        return (time.perf_counter() - began) * 1000

    def write() -> list[float]:
        place()  # what a connection does once (plans, reads the catalogs) is not what is measured
        together.wait()
        taken: list[float] = []
        began, due = time.monotonic(), 0.0
        while time.monotonic() < began + seconds:
            if per_second:
                time.sleep(max(0.0, began + due - time.monotonic()))
                due += 1 / per_second
            taken.append(place())
        return taken

    tasks = [writers.submit(write) for _ in range(threads)]
    taken = [milliseconds for task in tasks for milliseconds in task.result()]
    if publishing == (_events() == before):
        raise RuntimeError("Orders are published by other means now: worker.py has to follow.")
    return taken


def _events() -> int:
    """How many were ever written, numbered or not."""
    with connection.cursor() as session:
        session.execute(
            "SELECT (SELECT count(*) FROM realtime_outbox)"
            " + (SELECT coalesce(sum(position), 0) FROM realtime_stream)"
        )
        [number] = session.fetchone()
    return number


def _publish_orders(publishing: bool) -> None:
    """Connect or disconnect what publishes an order when it is saved."""
    from orders.signals import publish_order

    uid = "orders.publish_order"
    post_save.disconnect(sender=Order, dispatch_uid=uid)
    if publishing:
        post_save.connect(publish_order, sender=Order, dispatch_uid=uid)


COMMANDS: dict[str, Callable[..., Any]] = {
    command.__name__: command for command in (people, cursor, publish, let_miss, check_out)
}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever prints must not be taken for an answer
    for line in sys.stdin:
        name, arguments = json.loads(line)
        try:
            answer = {"answer": COMMANDS[name](**arguments)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
