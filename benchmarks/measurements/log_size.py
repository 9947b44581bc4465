"""What the length of the log costs: replay, publication and page in a short log and a long one."""

import functools
import http.client
import statistics
import time
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.db import connection

from realtime import topic_of
from realtime.log.cursor import Cursor

from .. import people, placing
from ..site import Ours
from ..streams import Streams
from . import delivery

READERS = 100
MISSED = 100
PUBLISHED_PER_SECOND = 50
PAGES = 100
BATCH = 1_000_000
MARK = 1
FILL = """
    INSERT INTO realtime_event (stream, position, mark, topic, type, data, created_at, published_at)
    SELECT
        'default', number, %(mark)s, (%(topics)s::text[])[1 + number %% %(count)s], 'orders',
        '{"order":' || number || ',"status":"placed","product":"load ' || number || ' 0",'
        '"quantity":2,"unit_price":"4.50","total":"9.00","customer":"customer-1",'
        '"placed_at":"2026-11-22T13:59:42.492031Z","changed_at":"2026-11-22T13:59:42.492031Z"}',
        now(), now()
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS number
"""


class LogSize(NamedTuple):
    """Medians. replay: 100 own events from the table, to one client after the other. publication:
    from the transaction to a client. page: the bell's, with its notifications."""

    events: int
    replay_ms: float
    publication_ms: float
    page_ms: float


def fill(events: int) -> None:
    """Nothing but so many events in the log, of a hundred customers in turn."""
    topics = [topic_of(user) for user in people.customers(READERS)]
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE realtime_event, realtime_outbox")
        for first in range(1, events + 1, BATCH):
            last = min(events, first + BATCH - 1)
            values = {
                "topics": topics,
                "count": READERS,
                "mark": MARK,
                "first": first,
                "last": last,
            }
            cursor.execute(FILL, values)
        cursor.execute(
            "INSERT INTO realtime_stream (name, position, mark, pruned_through)"
            " VALUES ('default', %s, %s, 0) ON CONFLICT (name) DO UPDATE"
            " SET position = excluded.position, mark = excluded.mark, pruned_through = 0",
            [events, MARK],
        )


def measure(site: Ours, streams: Streams, events: int, seconds: float) -> LogSize:
    """On a server that has begun after `fill()`, so that nothing is in its memory."""
    users = people.customers(READERS)
    replay = _replay_ms(streams, users, after=events - READERS * MISSED)
    streams.open(people.own_streams(users))
    published = delivery.measure(
        site,
        streams,
        PUBLISHED_PER_SECOND,
        seconds,
        readers=1,
        publish=functools.partial(placing.place, customers=users),
    )
    streams.close()
    return LogSize(events, replay, published.p50_ms, _page_ms(site, users))


def _replay_ms(streams: Streams, users: Sequence[User], *, after: int) -> float:
    taken = []
    for request in people.own_streams(users, after=str(Cursor(after, MARK))):
        streams.open([request])
        received = streams.wait_for(MISSED, 10)
        if received.events != MISSED:
            raise RuntimeError(f"{received.events} of {MISSED} missed events came back.")
        taken.append(received.seconds_to_last * 1000)
    return statistics.median(taken)


def _page_ms(site: Ours, users: Sequence[User]) -> float:
    browser = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    taken = []
    for number in range(PAGES):
        cookie = f"{settings.SESSION_COOKIE_NAME}={_session_of(users[number % READERS])}"
        began = time.perf_counter()
        browser.request("GET", "/", headers={"Cookie": cookie})
        response = browser.getresponse()
        response.read()
        taken.append((time.perf_counter() - began) * 1000)
        if response.status != 200:
            raise RuntimeError(f"The page was answered {response.status}.")
    browser.close()
    return statistics.median(taken)


def _session_of(user: User) -> str:
    """The key of a session that this user has signed in to."""
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return session.session_key
