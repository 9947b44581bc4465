"""The access monitor: changes or closes open streams when the access they rest on has changed.

It looks again at a stream one second after it was opened (whatever happened between its sign-in
and its first byte was notified before it was here to be told), when a notification concerns it,
when its time is up, and now and then in any case: a notification that is lost is a delay, as
everywhere.

It fails closed. A stream whose access can't be verified, for whatever reason, ends and asks its
client to come back: after a notification within two seconds, otherwise a little later than it
should have been looked at. Only while the event log itself can't be read do streams stay open, for
nothing can be told then; and before it is read again they are verified.
"""

import asyncio
import logging
import math
import random
import time
from collections.abc import Callable, Collection, Iterable
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
from ..postgres.connections import NOTICE_DEATH, keep_django_connections
from ..postgres.deadlines import DjangoDeadline
from .open_streams import ACCESS_ENDED, UNVERIFIED, OpenStream, OpenStreams
from .unending import unending

logger = logging.getLogger("realtime")

Result = TypeVar("Result")

CLOCK_SECONDS = 1.0
# However fast notifications come, there are no more looks than these, each at all that has come
# together. After a look there is a pause as long as it took, up to the second of these: what
# anybody may notify must not keep a core busy, nor what is true wait for too long.
PAUSE_SECONDS = (0.1, 0.5)
# So many notifications are kept at most, and none that is longer than any of ours.
MOST_HEARD = 2000
LONGEST_HEARD = 2 * LONGEST  # a key of 255 characters and its signature among them
# How soon a look that has failed is tried again; twice as late each time, up to CLOCK_SECONDS.
FIRST_RETRY_SECONDS = 0.1
# How much later than it should have been looked at a stream that can't be verified ends.
LATE_SECONDS = 3.0
# The same after a notification. With the time until the next stroke of the clock it is two seconds.
NOTIFIED_SECONDS = 1.0
# How long one look may take where views are asked, however long each of them takes: so no look is
# cut off, others have their turn, and whoever waits is seen to wait.
REVIEW_SECONDS = 0.25
# How long the end of the monitor waits for a look that is under way.
CLOSE_SECONDS = 1.0


class AccessMonitor:
    """Looks after the open streams of one process.

    check_seconds: how often all of them are looked at without a notification.
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
        # What the next look is at.
        self._due: set[OpenStream] = set()
        self._all_due = False
        self._look_due = asyncio.Event()
        # When one of them may end by itself, in seconds since the epoch; 0: not known.
        self._next_end = 0.0
        # When one of them may be overdue, by the loop's clock.
        self._next_overdue = math.inf
        self._last_verified = -math.inf
        # When the look began that is under way; None: none is.
        self._look_began: float | None = None
        self._verified = asyncio.Event()
        # Whether the last look has failed, and when the next one is tried after it.
        self._is_blind = False
        self._retry_seconds = FIRST_RETRY_SECONDS
        # What was heard since the last look: kind and value, as in notifications.py.
        self._heard: set[tuple[str, str]] = set()
        # What is being looked at, and since when it is doubted again: what is heard meanwhile the
        # look may have come too early for.
        self._looking_at: dict[OpenStream, float] = {}
        self._ends = EndsOfUsers()
        # How many streams are looked at together whose views are asked.
        self._reviews_at_once = 20
        # One thread, which keeps its connection while there are streams: it must not need a new
        # one when there is none to be had.
        self._thread = ThreadPoolExecutor(1, "realtime-access")
        self._is_connected = False

    def look_soon(self, stream: OpenStream) -> None:
        """Look at a stream that has just been opened."""
        self._due.add(stream)  # at the next stroke of the clock, see above
        self._next_end = 0.0
        self._next_overdue = min(self._next_overdue, self._overdue_at(stream.access))

    def hear(self, payload: str) -> None:
        """A notification on ACCESS_CHANNEL. Anybody may send one: see notifications.py."""
        if len(payload) > LONGEST_HEARD:
            return
        self._heard.add(parse_access(payload))
        if len(self._heard) >= MOST_HEARD:
            self._note_what_was_heard()
        self._look_due.set()

    def check_all(self) -> None:
        """Look at every stream at once: notifications may have been missed."""
        self._all_due = True
        self._look_due.set()

    async def verify_before_reading(
        self, is_concerned: Callable[[OpenStream], bool] = lambda stream: True
    ) -> None:
        """Before an event log is read again after it was away: end what can't be verified.

        Nothing of it is told meanwhile. So there is time for a look that still waits for the
        database as it was before to be given up, and for another one.

        is_concerned: whether it is the log of a stream.
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
            if self._look_began is None or self._look_began >= now:
                break
        self._close_overdue(asyncio.get_running_loop().time(), is_concerned)

    async def run(self) -> None:
        # Two tasks: while a database that is away holds up a look, tokens run out all the same.
        try:
            async with asyncio.TaskGroup() as tasks:
                clock = unending("look when an access ends", self._keep_time)
                look = unending("look whether open streams still may be", self._look_again)
                tasks.create_task(clock, name="realtime-access-clock")
                tasks.create_task(look, name="realtime-access-look")
        finally:
            # A thread can't be cancelled, and has a session to give back.
            closing = asyncio.wrap_future(self._thread.submit(connections.close_all))
            self._thread.shutdown(wait=False)
            await asyncio.wait([closing], timeout=CLOSE_SECONDS)

    async def _keep_time(self) -> None:
        clock = asyncio.get_running_loop().time
        next_check = clock() + self._check_seconds
        while True:
            await asyncio.sleep(CLOCK_SECONDS)
            self._end_what_is_over(time.time())
            # Here too, for a look may be held up.
            self._note_what_was_heard()
            if clock() >= self._next_overdue:
                self._close_overdue(clock(), lambda stream: not self._is_away(stream))
            if clock() >= next_check:
                self._all_due = True
                next_check = clock() + self._check_seconds
            if self._due or self._all_due:
                self._look_due.set()

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
        # Now that all were gone through.
        self._next_end = next_end

    def _overdue_at(self, grant: Grant) -> float:
        return min(
            grant.verified_at + self._check_seconds + LATE_SECONDS,
            grant.doubted_at + NOTIFIED_SECONDS,
        )

    def _close_overdue(self, now: float, is_concerned: Callable[[OpenStream], bool]) -> None:
        """End what couldn't be verified in time; not what only waits for its turn."""
        is_looking = now - self._last_verified < NOTIFIED_SECONDS
        self._next_overdue = math.inf
        for stream in self._streams:
            is_waiting = is_looking and not stream.access.has_failed
            if (overdue_at := self._overdue_at(stream.access)) > now:
                self._next_overdue = min(self._next_overdue, overdue_at)
            elif is_waiting or not is_concerned(stream):
                self._next_overdue = now
            else:
                retry = random.randint(*conf.get("RETRY_MILLISECONDS"))
                stream.close(UNVERIFIED, wire.retry(retry))

    async def _look_again(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await self._look_due.wait()
            self._look_due.clear()
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
                self._look_due.set()
            else:
                self._retry_seconds = FIRST_RETRY_SECONDS
                shortest, longest = PAUSE_SECONDS
                await asyncio.sleep(min(max(clock() - began, shortest), longest))

    def _note_what_was_heard(self) -> None:
        """Close at once what ended by a notification's own word; look at the others soon."""
        heard, self._heard = self._heard, set()
        if not heard:
            return
        by_kind: dict[str, set[str]] = {}
        for kind, value in heard:
            by_kind.setdefault(kind, set()).add(value)
        ended_credentials = by_kind.get(CREDENTIAL_ENDED, set())
        users = by_kind.get(USER_CHANGED, set())
        topics = by_kind.get(TOPIC_CHANGED, set())
        permissions = PERMISSIONS_CHANGED in by_kind
        now = asyncio.get_running_loop().time()
        ended_users: set[str] = set()
        if USER_ENDED in by_kind:
            here = {stream.access.user for stream in self._streams}
            ended_users = self._ends.genuine(by_kind[USER_ENDED], here, now)
        for stream in self._streams:
            grant = stream.access
            # What is said to be ended needs no second look: only the cookie itself would know of
            # a session that is kept there. Nobody knows the digest of one that isn't ended.
            if grant.credential in ended_credentials or grant.user in ended_users:
                stream.close(ACCESS_ENDED)
            elif (
                ALL_CHANGED in by_kind
                or grant.user in users
                or (permissions and (grant.permission or grant.review) is not None)
                or (topics and not topics.isdisjoint(named(stream.topics)))
            ):
                self._due.add(stream)
                grant.doubted_at = min(grant.doubted_at, now)
                if stream in self._looking_at:
                    self._looking_at[stream] = min(self._looking_at[stream], now)
                self._next_overdue = min(self._next_overdue, self._overdue_at(grant))

    async def _verify(self, streams: set[OpenStream]) -> None:
        waiting = _by_urgency(streams)
        try:
            while waiting:
                await self._verify_batch(self._next_batch(waiting))
                # What has come to be doubted meanwhile doesn't wait for all the others.
                if doubted := _by_urgency(filter(self._is_to_be_looked_at_now, self._due)):
                    batch = self._next_batch(doubted)
                    self._due.difference_update(batch)
                    await self._verify_batch(batch)
            self._is_blind = False
            self._verified.set()
        except Exception as error:
            self._due |= {stream for stream in waiting if stream in self._streams}
            # Said once, for it tries again every second.
            if not self._is_blind:
                traceback = None if isinstance(error, Error) else error
                message = "Could not look whether open streams still may be, trying again: %s"
                logger.warning(message, " ".join(str(error).split()), exc_info=traceback)
            self._is_blind = True

    def _is_to_be_looked_at_now(self, stream: OpenStream) -> bool:
        return _is_doubted(stream) and stream in self._streams

    def _next_batch(self, waiting: list[OpenStream]) -> list[OpenStream]:
        """Take from the end those that are looked at together."""
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
        self._look_began = began
        self._looking_at = dict.fromkeys(by_grant.values(), math.inf)
        try:
            over = await self._in_thread(lambda: _ended_in_thread(by_grant.keys()))
        except Exception:
            self._due |= {stream for stream in batch if stream in self._streams}
            if _is_reviewed(batch[0]):
                self._reviews_at_once = max(1, self._reviews_at_once // 4)
                # It may be one of them, whose view waits for a lock: each has its turn alone now.
                for stream in batch:
                    stream.access.has_failed = True
            raise
        finally:
            doubted_again, self._looking_at = self._looking_at, {}
            self._look_began = None
        self._last_verified = asyncio.get_running_loop().time()
        if _is_reviewed(batch[0]):
            seconds = max(self._last_verified - began, 0.001) / len(batch)
            # Not many more at a time than last: these may have been the quick ones.
            most = min(BATCH, 2 * self._reviews_at_once)
            self._reviews_at_once = max(1, min(int(REVIEW_SECONDS / seconds), most))
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
        self._next_end = 0.0  # of a session the look may have found another end

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


def _by_urgency(streams: Iterable[OpenStream]) -> list[OpenStream]:
    """The most urgent last; among the others, those last of which no view is asked. First are those
    that a look has failed at: no other is to wait for another such.
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
