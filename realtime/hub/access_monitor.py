"""The access monitor: changes or closes open streams when the access they rest on has changed.

It checks a stream when a notification concerns it, when its grant ends, and periodically, so that a
lost notification only causes a delay. It also checks a stream one second after it was opened: a
notification between the sign-in and the first byte came before the stream was here.

It fails closed. A stream whose access can't be verified, for whatever reason, ends and asks its
client to come back: within two seconds of a notification, otherwise a little later than its check
was due. Streams stay open only while the event log can't be read, because nothing can be sent then.
They are verified before the log is read again.
"""

import asyncio
import logging
import math
import random
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from django.db import Error, connections

from .. import conf
from ..access.ends_of_users import EndsOfUsers
from ..access.grants import BATCH, Grant, ended
from ..log import wire
from ..log.notifications import (
    ALL_CHANGED,
    CREDENTIAL_ENDED,
    PERMISSIONS_CHANGED,
    TOPIC_CHANGED,
    USER_CHANGED,
    USER_ENDED,
    parse_access,
)
from ..log.topics import LONGEST, named
from ..postgres.connections import NOTICE_DEATH
from ..postgres.deadlines import DjangoDeadline
from ..postgres.django_connections import keep_django_connections
from .open_streams import ACCESS_ENDED, UNVERIFIED, OpenStream, OpenStreams
from .unending import unending

logger = logging.getLogger("realtime")

Result = TypeVar("Result")

CLOCK_SECONDS = 1.0
# The shortest and the longest pause between two checks. Each check covers all notifications since
# the last one, and the pause is as long as that check took. So forged notifications can't keep a
# core busy, and genuine ones don't wait for too long.
PAUSE_SECONDS = (0.1, 0.5)
# At most so many notifications are kept, and none that is longer than any of ours.
MOST_HEARD = 2000
LONGEST_HEARD = 2 * LONGEST  # enough for a key of 255 characters and its signature
# How soon a failed check is tried again; the time doubles with each failure, up to CLOCK_SECONDS.
FIRST_RETRY_SECONDS = 0.1
# A stream that can't be verified ends so long after its check was due.
LATE_SECONDS = 3.0
# The same after a notification. With the time until the next tick of the clock it is two seconds.
NOTIFIED_SECONDS = 1.0
# How long one check of streams whose views are asked should take. If views are slow, fewer streams
# are checked together, so that no check runs into the time-out and other streams get their turn.
REVIEW_SECONDS = 0.25
# How long the end of the monitor waits for a check that is under way.
CLOSE_SECONDS = 1.0


class AccessMonitor:
    """Checks the access of the open streams of one process.

    check_seconds: how often each of them is checked without a notification.
    query_seconds: how long the database may take to answer.
    is_away: whether the event log of a stream can't be read now.
    """

    def __init__(
        self,
        streams: OpenStreams,
        check_seconds: float,
        query_seconds: float,
        *,
        is_away: Callable[[OpenStream], bool] = lambda stream: False,
    ) -> None:
        self._streams = streams
        self._check_seconds = check_seconds
        self._query_seconds = query_seconds
        self._is_away = is_away
        # The streams that are checked next.
        self._due: set[OpenStream] = set()
        self._all_due = False
        self._check_due = asyncio.Event()
        # When one of them may end by itself, in seconds since the epoch; 0: not known.
        self._next_end = 0.0
        # When one of them may be overdue, by the loop's clock.
        self._next_overdue = math.inf
        self._last_verified = -math.inf
        # When the present check began; None: there is none.
        self._check_began: float | None = None
        self._verified = asyncio.Event()
        # Whether the last check has failed, and when the next one is tried.
        self._is_blind = False
        self._retry_seconds = FIRST_RETRY_SECONDS
        # The notifications since the last check: kind and value, as in notifications.py.
        self._heard: set[tuple[str, str]] = set()
        # The streams that are being checked, and when they were doubted again meanwhile: this check
        # may have read the database before the change that the new notification tells of.
        self._checking: dict[OpenStream, float] = {}
        self._ends = EndsOfUsers()
        # How many streams whose views are asked are checked together.
        self._reviews_at_once = 20
        # One thread, which keeps its connection while streams are open: when the server accepts no
        # new connections, checks still work.
        self._thread = ThreadPoolExecutor(1, "realtime-access")
        self._is_connected = False

    def check_soon(self, stream: OpenStream) -> None:
        """Check a stream that has just been opened."""
        self._due.add(stream)  # at the next tick of the clock, see above
        self._next_end = 0.0
        self._next_overdue = min(self._next_overdue, self._overdue_at(stream.access))

    def hear(self, payload: str) -> None:
        """Note a notification on ACCESS_CHANNEL. It may be forged, see notifications.py."""
        if len(payload) > LONGEST_HEARD:
            return
        self._heard.add(parse_access(payload))
        if len(self._heard) >= MOST_HEARD:
            self._note_what_was_heard()
        self._check_due.set()

    def check_all(self) -> None:
        """Check all streams now, because notifications may have been missed."""
        self._all_due = True
        self._check_due.set()

    async def verify_before_reading(
        self, is_concerned: Callable[[OpenStream], bool] = lambda stream: True
    ) -> None:
        """Check the streams of an event log that is available again, before it is read.

        Streams that can't be verified end. No event is sent meanwhile, so there is time to give up
        a check that hangs on an old connection, and to make another one.

        is_concerned: whether a stream reads from that log.
        """
        now = asyncio.get_running_loop().time()
        if not any(
            self._overdue_at(stream.access) <= now
            for stream in self._streams
            if is_concerned(stream)
        ):
            return
        self._verified.clear()
        self.check_all()
        give_up_seconds = max(self._query_seconds, NOTICE_DEATH["connect_timeout"])
        for seconds in (LATE_SECONDS, give_up_seconds):
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._verified.wait()
            if self._check_began is None or self._check_began >= now:
                break
        self._close_overdue(asyncio.get_running_loop().time(), is_concerned)

    async def run(self) -> None:
        # Two tasks, because tokens expire even while a check waits for the database.
        try:
            async with asyncio.TaskGroup() as tasks:
                clock = unending("notice when an access ends", self._keep_time)
                check = unending("check the access of open streams", self._check_again)
                tasks.create_task(clock, name="realtime-access-clock")
                tasks.create_task(check, name="realtime-access-check")
        finally:
            # The thread can't be cancelled, and its database connection has to be closed in it.
            closing = asyncio.wrap_future(self._thread.submit(connections.close_all))
            self._thread.shutdown(wait=False)
            await asyncio.wait([closing], timeout=CLOSE_SECONDS)

    async def _keep_time(self) -> None:
        clock = asyncio.get_running_loop().time
        next_check = clock() + self._check_seconds
        while True:
            await asyncio.sleep(CLOCK_SECONDS)
            self._end_what_is_over(time.time())
            # Here as well as in the other task, which may be waiting for the database.
            self._note_what_was_heard()
            if clock() >= self._next_overdue:
                self._close_overdue(clock(), lambda stream: not self._is_away(stream))
            if clock() >= next_check:
                self._all_due = True
                next_check = clock() + self._check_seconds
            if self._due or self._all_due:
                self._check_due.set()

    def _end_what_is_over(self, now: float) -> None:
        if now < self._next_end:
            return
        next_end = math.inf
        for stream in self._streams:
            ends_at = stream.access.ends_at
            if ends_at is None:
                continue
            if ends_at > now:
                next_end = min(next_end, ends_at)
            elif stream.access.session_key is None:
                stream.close(ACCESS_ENDED)
            else:
                self._due.add(stream)  # a session may have been prolonged
        # Only now, after all streams were seen.
        self._next_end = next_end

    def _overdue_at(self, grant: Grant) -> float:
        return min(
            grant.verified_at + self._check_seconds + LATE_SECONDS,
            grant.doubted_at + NOTIFIED_SECONDS,
        )

    def _close_overdue(self, now: float, is_concerned: Callable[[OpenStream], bool]) -> None:
        """End the streams that couldn't be verified in time, but not those that wait for a turn."""
        is_checking = now - self._last_verified < NOTIFIED_SECONDS
        self._next_overdue = math.inf
        for stream in self._streams:
            is_waiting = is_checking and not stream.access.has_failed
            if (overdue_at := self._overdue_at(stream.access)) > now:
                self._next_overdue = min(self._next_overdue, overdue_at)
            elif is_waiting or not is_concerned(stream):
                self._next_overdue = now
            else:
                retry = random.randint(*conf.get("RETRY_MILLISECONDS"))
                stream.close(UNVERIFIED, wire.retry(retry))

    async def _check_again(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await self._check_due.wait()
            self._check_due.clear()
            self._note_what_was_heard()
            due, self._due = self._due, set()
            if self._all_due:
                self._all_due = False
                due = set(self._streams)
            due = {stream for stream in due if stream in self._streams}
            began = clock()
            if due:
                await self._verify(due)
            elif self._is_connected and not len(self._streams):
                await self._in_thread(connections.close_all)
                self._is_connected = False
            if due and self._is_blind:
                await asyncio.sleep(self._retry_seconds)
                self._retry_seconds = min(self._retry_seconds * 2, CLOCK_SECONDS)
                self._check_due.set()
            else:
                self._retry_seconds = FIRST_RETRY_SECONDS
                shortest, longest = PAUSE_SECONDS
                await asyncio.sleep(min(max(clock() - began, shortest), longest))

    def _note_what_was_heard(self) -> None:
        """Close the streams that a notification itself ends; mark the others for a check."""
        heard, self._heard = self._heard, set()
        if not heard:
            return
        values: defaultdict[str, set[str]] = defaultdict(set)
        for kind, value in heard:
            values[kind].add(value)
        now = asyncio.get_running_loop().time()
        ended_users: set[str] = set()
        if USER_ENDED in values:
            here = {stream.access.user for stream in self._streams}
            ended_users = self._ends.genuine(values[USER_ENDED], here, now)
        ended_credentials = values[CREDENTIAL_ENDED]
        for stream in self._streams:
            grant = stream.access
            # No query is needed for these. It couldn't find the end of a session that lives in its
            # cookie, and nobody can forge the digest of a credential that they don't have.
            if grant.credential in ended_credentials or grant.user in ended_users:
                stream.close(ACCESS_ENDED)
            elif _may_have_changed(stream, values):
                self._doubt(stream, now)

    def _doubt(self, stream: OpenStream, now: float) -> None:
        """Mark a stream for a check: its access may have ended by now."""
        grant = stream.access
        self._due.add(stream)
        grant.doubted_at = min(grant.doubted_at, now)
        if stream in self._checking:
            self._checking[stream] = min(self._checking[stream], now)
        self._next_overdue = min(self._next_overdue, self._overdue_at(grant))

    async def _verify(self, streams: set[OpenStream]) -> None:
        waiting = _by_urgency(streams)
        try:
            while waiting:
                await self._verify_batch(self._next_batch(waiting))
                # Streams that a notification has made doubtful meanwhile come first.
                if doubted := _by_urgency(filter(self._is_due_now, self._due)):
                    batch = self._next_batch(doubted)
                    self._due.difference_update(batch)
                    await self._verify_batch(batch)
            self._is_blind = False
            self._verified.set()
        except Exception as error:
            self._due |= {stream for stream in waiting if stream in self._streams}
            # Logged once, because it tries again every second.
            if not self._is_blind:
                traceback = None if isinstance(error, Error) else error
                message = "Could not check who may read the open streams, trying again: %s"
                logger.warning(message, " ".join(str(error).split()), exc_info=traceback)
            self._is_blind = True

    def _is_due_now(self, stream: OpenStream) -> bool:
        return _is_doubted(stream) and stream in self._streams

    def _next_batch(self, waiting: list[OpenStream]) -> list[OpenStream]:
        """Take the streams that are checked together from the end of the list."""
        reviewed, has_failed = kind = _kind(waiting[-1])
        most = self._reviews_at_once if reviewed else BATCH
        if has_failed:
            most = 1
        batch: list[OpenStream] = []
        while waiting and len(batch) < most and _kind(waiting[-1]) == kind:
            batch.append(waiting.pop())
        return batch

    async def _verify_batch(self, batch: list[OpenStream]) -> None:
        by_grant = {stream.access: stream for stream in batch}
        began = asyncio.get_running_loop().time()
        self._is_connected = True
        self._check_began = began
        self._checking = dict.fromkeys(by_grant.values(), math.inf)
        try:
            over = await self._in_thread(lambda: _ended_in_thread(by_grant.keys()))
        except Exception:
            self._due |= {stream for stream in batch if stream in self._streams}
            if _is_reviewed(batch[0]):
                self._reviews_at_once = max(1, self._reviews_at_once // 4)
                # One view may be waiting for a lock, so each stream is checked alone now.
                for stream in batch:
                    stream.access.has_failed = True
            raise
        finally:
            doubted_again, self._checking = self._checking, {}
            self._check_began = None
        self._last_verified = asyncio.get_running_loop().time()
        if _is_reviewed(batch[0]):
            self._adapt_reviews(self._last_verified - began, len(batch))
        for grant, stream in by_grant.items():
            if stream not in self._streams:
                continue  # its client has left
            if grant.has_failed:
                self._due.add(stream)
                continue
            grant.verified_at = began
            grant.doubted_at = doubted_again[stream]
            if grant.review is not None:
                stream.change_topics(grant.review.topics)
        for grant in over:
            by_grant[grant].close(ACCESS_ENDED)
        self._next_end = 0.0  # the check may have found that a session was prolonged

    def _adapt_reviews(self, seconds: float, count: int) -> None:
        """Choose how many views are asked in the next batch, by how long this many took."""
        # At most twice as many as last time: this batch may have been unusually fast.
        most = min(BATCH, 2 * self._reviews_at_once)
        fitting = int(REVIEW_SECONDS * count / max(seconds, 0.001))
        self._reviews_at_once = max(1, min(fitting, most))

    async def _in_thread(self, function: Callable[[], Result]) -> Result:
        with DjangoDeadline(self._query_seconds, hang_up_if_cancelled=True) as timed:
            answer: Result = await asyncio.wrap_future(self._thread.submit(timed(function)))
            return answer


def _is_reviewed(stream: OpenStream) -> bool:
    return stream.access.review is not None


def _kind(stream: OpenStream) -> tuple[bool, bool]:
    return _is_reviewed(stream), stream.access.has_failed


def _is_doubted(stream: OpenStream) -> bool:
    return stream.access.doubted_at < math.inf


def _may_have_changed(stream: OpenStream, values: Mapping[str, set[str]]) -> bool:
    """Whether a stream's access may have changed, by the values of each kind of notification."""
    grant = stream.access
    topics = values.get(TOPIC_CHANGED)
    return (
        ALL_CHANGED in values
        or grant.user in values.get(USER_CHANGED, ())
        or (PERMISSIONS_CHANGED in values and (grant.permission or grant.review) is not None)
        or (topics is not None and not topics.isdisjoint(named(stream.topics)))
    )


def _by_urgency(streams: Iterable[OpenStream]) -> list[OpenStream]:
    """The streams in order of urgency, the most urgent last: doubted ones, then those whose view
    isn't asked. Those that failed at the last check come first, so that no other waits for them.
    """

    def key(one: OpenStream) -> tuple[bool, bool, bool]:
        return one.access.has_failed, not _is_doubted(one), _is_reviewed(one)

    return sorted(streams, key=key, reverse=True)


def _ended_in_thread(grants: Collection[Grant]) -> list[Grant]:
    try:
        over = ended(grants)
    except BaseException:
        # The connection may be what is broken.
        connections.close_all()
        raise
    keep_django_connections()
    return over
