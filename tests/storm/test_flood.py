"""What another role of the database can do by NOTIFY, which takes no privilege: next to nothing.

Twenty thousand notifications a second on each of our channels, beside a customer's orders.
"""

import threading
import time
from contextlib import contextmanager
from itertools import count

import psutil
import psycopg
import pytest

from realtime.log.notifications import (
    ACCESS_CHANNEL,
    PENDING_CHANNEL,
    PUBLISHED_CHANNEL,
    USER_ENDED,
    access,
)
from tests.clients import bearer, open_stream
from tests.servers import database_url, running_server

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("processes")]

A_SECOND = 20_000
SECONDS = 8
BURSTS = 20  # a second
# PostgreSQL sends what is the same in one transaction once. So what is said is another text each
# time, or in a transaction of its own.
FLOOD = "SELECT pg_notify(%s, format(%s, n)) FROM generate_series(%s::bigint, %s::bigint) AS n"
SAME = """
    DO $$ BEGIN
        FOR n IN 1..{size} LOOP PERFORM pg_notify('{channel}', '{payload}'); COMMIT; END LOOP;
    END $$
"""
NAMES = 100_000


@contextmanager
def flood(channel, payload):
    """By a role without any privilege, in the background. payload: with %s for a number."""
    stopped, sent, errors = threading.Event(), [0], []
    with psycopg.connect(database_url(), autocommit=True) as session:
        session.execute("SET SESSION AUTHORIZATION neighbour")

        def send():
            began = time.monotonic()
            for burst in range(SECONDS * BURSTS * 2):
                if stopped.wait(max(0.0, began + burst / BURSTS - time.monotonic())):
                    return
                first = sent[0] % NAMES
                size = A_SECOND // BURSTS
                try:
                    if "%s" in payload:
                        session.execute(FLOOD, [channel, payload, first, first + size - 1])
                    else:
                        session.execute(SAME.format(size=size, channel=channel, payload=payload))
                except psycopg.Error as error:
                    errors.append(error)
                    return
                sent[0] += size

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        try:
            yield sent
        finally:
            stopped.set()
            thread.join()
            assert not errors


@pytest.fixture
def neighbour(transactional_db):
    with psycopg.connect(database_url(), autocommit=True) as session:
        session.execute("CREATE ROLE neighbour")
        yield
        session.execute("DROP ROLE neighbour")


INSERT = (
    "INSERT INTO realtime_outbox (stream, topic, type, data) VALUES ('default', %s, 'orders', %s)"
)
HINT = "SELECT pg_notify('realtime_pending', 'default')"


@contextmanager
def orders_of(user):
    """A server where somebody reads a stream; and how to place an order of theirs: that returns
    after how many seconds it was told. It is the same stream all the time.
    """
    with (
        running_server("daphne") as server,
        open_stream(server, **bearer(user)) as stream,
        psycopg.connect(database_url(), autocommit=True) as writer,
    ):
        numbers = count()

        def order():
            number = str(next(numbers))
            began = time.monotonic()
            writer.execute(INSERT, [f"auth.user:{user.pk}", number])
            writer.execute(HINT)
            assert stream.next_event().data == number
            seconds = time.monotonic() - began
            time.sleep(0.05)
            return seconds

        order()
        yield server, order


@pytest.mark.parametrize(
    ("channel", "payload"),
    [
        (PENDING_CHANNEL, "name %s"),
        (PUBLISHED_CHANNEL, "%s-1f default"),
        (PUBLISHED_CHANNEL, "junk %s"),
        (ACCESS_CHANNEL, "user %s"),
        (ACCESS_CHANNEL, "user"),
        (ACCESS_CHANNEL, "permissions %s"),
        (ACCESS_CHANNEL, "end"),
    ],
    ids=["names", "positions", "junk", "users", "one user", "permissions", "ends of access"],
)
def test_in_a_flood_everybody_is_told_within_a_second(neighbour, alice, channel, payload):
    if payload == "user":
        payload = f"user {alice.pk}"
    elif payload == "end":
        payload = f"{access(USER_ENDED, str(alice.pk))}:%s:forged"
    late = []
    with orders_of(alice) as (server, order):
        process = psutil.Process(server.pid)
        memory = process.memory_info().rss
        cpu = sum(process.cpu_times()[:2])
        began = time.monotonic()
        with flood(channel, payload) as sent:
            while time.monotonic() < began + SECONDS:
                late.append(order())
        seconds = time.monotonic() - began
        grown = (process.memory_info().rss - memory) / 2**20
        busy = (sum(process.cpu_times()[:2]) - cpu) / seconds
        log = "".join(server.output)
    late.sort()
    print(
        f"{payload!r}: {sent[0] / seconds:.0f} a second, {len(late)} events, "
        f"p50 {late[len(late) // 2] * 1000:.0f} ms, longest {late[-1] * 1000:.0f} ms, "
        f"{grown:+.0f} MB, {busy:.0%} of a core"
    )
    assert sent[0] > 50_000, "that was no flood"
    assert late[-1] < 1
    assert grown < 50
    assert "Lost the connection" not in log


FILL = """
    INSERT INTO realtime_outbox (stream, topic, type, data)
    SELECT 'stream ' || n, 'public', 'x', '1' FROM generate_series(1, 100000) AS n
"""


def test_a_hundred_thousand_streams_that_wait_hold_nobody_up(transactional_db, alice):
    late = []
    with orders_of(alice) as (_, order), psycopg.connect(database_url(), autocommit=True) as other:
        other.execute(FILL)
        other.execute("SELECT pg_notify('realtime_pending', 'stream 1')")
        waiting = "SELECT count(*) FROM realtime_outbox"
        began = time.monotonic()
        while time.monotonic() < began + SECONDS and other.execute(waiting).fetchone()[0]:
            late.append(order())
        left = other.execute(waiting).fetchone()[0]
        numbered = (100_000 - left) / (time.monotonic() - began)
    late.sort()
    print(
        f"{len(late)} events, p50 {late[len(late) // 2] * 1000:.0f} ms, longest "
        f"{late[-1] * 1000:.0f} ms, while {numbered:.0f} other streams a second were numbered"
    )
    assert left < 100_000
    assert late[-1] < 1
