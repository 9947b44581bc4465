"""Follows the event log of one database: listens for notifications, numbers and reads events.

It has two tasks, however many streams are open. `listen` passes on PostgreSQL's notifications.
`work` numbers waiting events, and reads new events into the tails, once for all clients. It also
polls every few seconds, so that a lost notification causes a delay and never a loss.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

import psycopg

from .. import conf, tracing
from ..counts import counts
from ..exceptions import DatabaseUnavailable
from ..log import dead_letters
from ..log.cursor import Cursor, InvalidCursor
from ..log.event_log import OTHER_STREAMS, Batch, EventLog, Numbered
from ..log.notifications import ACCESS_CHANNEL, PENDING_CHANNEL, PUBLISHED_CHANNEL, parse_published
from ..log.polling_lease import PollingLeases
from ..postgres.connections import (
    KeptConnection,
    Parameters,
    connection_parameters,
    direct_parameters,
)
from ..postgres.listener import Listener
from ..postgres.writability import Writability, why_not_writable
from .flood import FloodGauge
from .pending_streams import PendingStreams
from .recent_events import RecentEvents
from .replays import Replays
from .turn_requests import TurnRequests

Result = TypeVar("Result")

logger = logging.getLogger("realtime")

# How long a turn numbers for streams without a follower here, before the followed ones come again.
TURN_SECONDS = 0.2
# How far apart turns are during a flood of notifications. Streams without a follower here are then
# looked up in the table, whatever notifications name.
FLOOD_REST_SECONDS = 0.1
# How long to wait before a stream whose events couldn't be numbered is tried again.
BROKEN_SECONDS = 60.0
BROKEN = (
    "The stream %r stands still, and no other does: its events can't be numbered: %s. Most likely "
    "its row in realtime_stream contradicts its events in realtime_event, as after a partial "
    "restore. This makes the row fit its events: INSERT INTO realtime_stream (name, position, "
    "mark, pruned_through) SELECT stream, position, mark, 0 FROM realtime_event WHERE stream = %s "
    "ORDER BY position DESC LIMIT 1 ON CONFLICT (name) DO UPDATE SET position = "
    "excluded.position, mark = excluded.mark. Numbering is tried again in %d seconds."
)


class State(NamedTuple):
    """The state of a hub's connections to a database.

    away: why the event log can't be reached; None: it can, as far as is known.
    explanation: the same in a sentence without secrets; None: there is none.
    listening_since: when it began to listen; None: it gets no notifications now, and finds new
        events only by polling.
    is_deaf: it listens, but notifications don't arrive.
    seconds_since_answer: how long ago the database last answered a query; None: it hasn't yet.
    """

    away: str | None
    explanation: str | None
    listening_since: datetime | None
    is_deaf: bool
    seconds_since_answer: float | None


class LogFollower:
    """Follows the event log of one database, for the streams of one event loop.

    database: its alias.
    before_reading: awaited before the log is read for the first time, and again after an outage.
    polling: awaited at each poll, with the connection.
    listening: called when it has begun to listen; earlier notifications are missed.
    hear_access: called with each notification on ACCESS_CHANNEL; None: don't listen to it.
    """

    def __init__(
        self,
        database: str,
        *,
        before_reading: Callable[[], Awaitable[None]],
        polling: Callable[[psycopg.AsyncConnection], Awaitable[None]] | None = None,
        listening: Callable[[], None] | None = None,
        hear_access: Callable[[str], None] | None = None,
    ) -> None:
        clock = asyncio.get_running_loop().time
        self.database = database
        self._before_reading = before_reading
        self._polling = polling
        self._on_listening = listening
        self._hear_access = hear_access
        self._poll_seconds: float = conf.get("POLL_SECONDS")
        self._query_seconds: float = conf.get("QUERY_SECONDS")
        self._log = EventLog(self._query_seconds)
        standby = conf.replay_database(database)
        self.replays = Replays(
            self._log,
            self._parameters,
            self._query_seconds,
            standby=None if standby is None else partial(connection_parameters, standby),
        )
        self.writability = Writability(partial(why_not_writable, database))
        self._tails: dict[str, RecentEvents] = {}
        # The work for the next turn.
        self._work_due = asyncio.Event()
        self._poll_due = True
        self._to_number = PendingStreams()
        self._flood = FloodGauge(clock)
        # Streams that couldn't be numbered, and when to try again.
        self._broken: dict[str, float] = {}
        # The last poll didn't return all streams with waiting events.
        self._others_wait = False
        self._leases = PollingLeases(clock)
        self._published: dict[str, Cursor] = {}  # streams, and how far they have come
        self._requests = TurnRequests()
        self._listener = Listener(
            [PENDING_CHANNEL, PUBLISHED_CHANNEL, *([ACCESS_CHANNEL] if hear_access else [])],
            hear=self._hear,
            listening=self._begin_to_listen,
            sender=self._parameters,
            silence_seconds=self._poll_seconds,
            query_seconds=self._query_seconds,
        )
        of_which = "" if database == conf.get("DATABASE") else f" in the database {database!r}"
        self._listening = KeptConnection(
            f"listen for new events{of_which}",
            self._listen_parameters,
            self._listener.listen,
            # The other connection may be lost as well, which only shows when it is used.
            refused=lambda reason: self.poll(),
        )
        self._working = KeptConnection(
            f"number and read new events{of_which}",
            self._parameters,
            self._work,
            refused=self._give_up,
        )

    def tasks(self) -> dict[str, Coroutine[Any, Any, None]]:
        """The coroutines that have to run while the log is followed, by name."""
        return {"listen": self._listening.keep(), "work": self._working.keep()}

    async def close(self) -> None:
        """Close the connections that the tasks don't own."""
        await self.replays.close()
        await self.writability.close()

    def give_up_waiting(self) -> None:
        """Cancel everyone who waits for the next turn: the tasks have ended."""
        self._requests.cancel()

    @property
    def is_reading(self) -> bool:
        """Whether the log can be read now, as far as is known."""
        return self._working.works_since is not None

    def tail(self, stream: str) -> RecentEvents | None:
        """The tail of a stream, if it is being followed."""
        return self._tails.get(stream)

    async def catch_up(self, stream: str) -> RecentEvents:
        """The tail of a stream, with all events that were published before this call.

        Raises DatabaseUnavailable if the database doesn't answer in time.
        """
        waiting = self._requests.catch_up.get(stream)
        if waiting is None:
            waiting = asyncio.get_running_loop().create_future()
            self._requests.catch_up[stream] = waiting
            self._work_due.set()
        return await self._turned(waiting, self._query_seconds)

    async def _turned(self, waiting: asyncio.Future[Result], seconds: float) -> Result:
        """The result of the next turn.

        Raises DatabaseUnavailable; at once if the database is already known to be away.
        """
        if self.away is not None:
            raise DatabaseUnavailable(f"The event log can't be reached: {self.away}")
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(waiting)
        except TimeoutError:
            raise DatabaseUnavailable(
                f"The database {self.database!r} did not answer in {seconds} s."
            ) from None

    def poll(self) -> None:
        """Poll now, for events that no notification has told of."""
        self._poll_due = True
        self._work_due.set()

    @property
    def away(self) -> str | None:
        """Why the event log can't be reached; None: it can, as far as is known."""
        return self._working.away

    @property
    def state(self) -> State:
        """The present state, as far as it is known without a query."""
        answered, now = self._log.last_answer, asyncio.get_running_loop().time()
        return State(
            away=self.away,
            explanation=self._working.explanation,
            listening_since=self._listening.works_since,
            is_deaf=self._listener.is_deaf,
            seconds_since_answer=None if answered is None else now - answered,
        )

    async def measure_lag(self, *, seconds: float) -> float:
        """The age in seconds of the oldest event that still waits after the next turn; 0: none.

        Calls at the same time share one answer.

        seconds: how long to wait. Raises DatabaseUnavailable if there is no answer by then.
        """
        waiting = self._requests.measure
        if waiting is None:
            waiting = self._requests.measure = asyncio.get_running_loop().create_future()
            self.poll()
        return await self._turned(waiting, seconds)

    async def _parameters(self) -> Parameters:
        return await connection_parameters(self.database)

    async def _listen_parameters(self) -> Parameters:
        url = conf.listen_url(self.database)
        return direct_parameters(url) if url else await self._parameters()

    # Notifications

    def _begin_to_listen(self) -> None:
        self._listening.works()
        self.poll()
        if self._on_listening is not None:
            self._on_listening()

    def _hear(self, channel: str, payload: str) -> None:
        if channel == ACCESS_CHANNEL:
            if self._hear_access is not None:
                self._hear_access(payload)
            return
        self._flood.hear()
        if channel == PENDING_CHANNEL:
            self._to_number.add(payload)
        elif channel == PUBLISHED_CHANNEL:
            try:
                cursor, stream = parse_published(payload)
            except InvalidCursor:
                return  # forged: any role may notify
            if not self._is_behind(stream, cursor):
                return
            self._published[stream] = cursor
        self._work_due.set()

    def _is_behind(self, stream: str, cursor: Cursor) -> bool:
        """Whether this process follows this stream and has not read this event."""
        tail = self._tails.get(stream)
        return tail is not None and tail.contradicts(cursor)

    # Turns

    async def _work(self, connection: psycopg.AsyncConnection) -> None:
        clock = asyncio.get_running_loop().time
        await self._before_reading()
        self._poll_due = True
        while True:
            if self._poll_due:
                next_poll = clock() + self._poll_seconds
            await self._turn(connection)
            self._working.works()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(min(next_poll, self._leases.next_poll)):
                    await self._work_due.wait()
            if self._to_number.overflowed or self._flood.is_flooded:
                await asyncio.sleep(FLOOD_REST_SECONDS)
                self._to_number.keep(self._tails)
                self._poll_due = True
            # By the clock, after each turn: notifications for one stream must not put off the poll
            # that makes up for a lost one for another stream.
            self._poll_due |= clock() >= next_poll

    async def _turn(self, connection: psycopg.AsyncConnection) -> None:
        """Do the work that has accumulated since the last turn.

        Work that arrives meanwhile is left for the next turn: a notification may tell of an event
        that this turn's queries could not see yet.
        """
        self._work_due.clear()
        poll_due, self._poll_due = self._poll_due, False
        to_number = self._to_number.take()
        published, self._published = self._published, {}
        to_read = {name for name, cursor in published.items() if self._is_behind(name, cursor)}
        requests, self._requests = self._requests, TurnRequests()
        to_catch_up = requests.catch_up
        try:
            if poll_due:
                await self._poll(connection, to_number, to_read)
            # The first follower of a stream also gets the events that wait in it.
            to_number |= to_catch_up.keys() - self._tails.keys()
            # Streams under a lease can wait: they will be polled later than these notifications.
            to_number = {name for name in to_number if name not in self._leases}
            mine = {name for name in to_number if name in self._tails} | to_catch_up.keys()
            for stream in mine & to_number | self._leases.due():
                if not await self._number(connection, stream):
                    to_read.add(stream)
            for stream in to_read & self._tails.keys() | to_catch_up.keys():
                tail = await self._read(connection, stream)
                if stream in to_catch_up and not to_catch_up[stream].done():
                    to_catch_up[stream].set_result(tail)
            await self._number_others(connection, to_number - mine - self._leases.due())
            if requests.measure is not None:
                requests.measure.set_result(await self._log.oldest_waiting(connection))
        except BaseException as error:
            requests.fail(f"Could not read the event log: {error}")
            raise

    async def _number_others(self, connection: psycopg.AsyncConnection, streams: set[str]) -> None:
        """Number events in streams without a follower here, for TURN_SECONDS at most.

        So streams with followers get their next turn soon, however many others there are.
        """
        clock = asyncio.get_running_loop().time
        ends_at = clock() + TURN_SECONDS
        while streams and clock() < ends_at:
            await self._number(connection, streams.pop())
        for stream in streams:
            self._to_number.add(stream)
        if streams:
            self._work_due.set()
        elif self._others_wait:
            self.poll()

    def _give_up(self, reason: str) -> None:
        """Fail everyone who waits for the next turn, because there is no connection."""
        self._requests.fail(f"The event log can't be reached: {reason}")
        self._requests = TurnRequests()

    async def _poll(
        self, connection: psycopg.AsyncConnection, to_number: set[str], to_read: set[str]
    ) -> None:
        self._forget_idle_tails()
        if self._polling is not None:
            await self._polling(connection)
        followed = {stream: tail.position for stream, tail in self._tails.items()}
        behind = await self._log.streams_behind(connection, followed)
        self._others_wait = len(behind) - len(followed) >= OTHER_STREAMS
        for stream, position, own_mark, waiting in behind:
            if waiting:
                to_number.add(stream)
            tail = self._tails.get(stream)
            if tail is not None and tail.cursor != (position, own_mark):
                to_read.add(stream)

    def _forget_idle_tails(self) -> None:
        for stream in [name for name, tail in self._tails.items() if not tail.is_followed]:
            del self._tails[stream]

    async def _number(self, connection: psycopg.AsyncConnection, stream: str) -> bool:
        """Number a stream's waiting events, notify other processes, and bring the tail up to date.

        Returns whether the tail is up to date; otherwise there is more to read.
        """
        began = asyncio.get_running_loop().time()
        if began < self._broken.get(stream, 0.0):
            return False
        tail = self._tails.get(stream)
        after = None if tail is None else tail.position
        numbered = await self._number_what_can_be(connection, stream, after)
        if numbered is None:
            return False
        self._broken.pop(stream, None)
        self._leases.polled(
            stream,
            began=began,
            found=numbered.moved or 0,
            finished=numbered.moved is not None,
            leased=numbered.leased,
            more=numbered.more,
            replaced=numbered.replaced > 0,
        )
        if numbered.moved:
            seconds = asyncio.get_running_loop().time() - began
            counts.numbered[stream] += numbered.moved
            counts.number_seconds.observe(seconds)
            counts.insert_to_number_seconds.observe(numbered.waited_seconds)
            if numbered.read is not None:
                tracing.numbered(stream, numbered.read.traces, seconds=seconds)
        if tail is None or numbered.read is None:
            return True
        if not self._continues(tail, numbered.read):
            return False
        self._deliver(stream, tail, numbered.read)
        return numbered.read.is_all

    async def _number_what_can_be(
        self, connection: psycopg.AsyncConnection, stream: str, after: int | None
    ) -> Numbered | None:
        """EventLog.number(); events that can't be numbered are set aside. None: it failed anyway.

        after: the `read_after` of EventLog.number().
        """
        for is_last_attempt in (False, True):
            try:
                busy_rows = self._leases.busy_rows(stream)
                return await self._log.number(
                    connection, stream, busy_rows=busy_rows, read_after=after
                )
            except dead_letters.ERRORS as error:
                await connection.rollback()
                reason = " ".join(str(error).split())
            if is_last_attempt:
                break
            with suppress(*dead_letters.ERRORS):
                if await self._log.set_aside(connection, stream):
                    continue
            break
        self._broken[stream] = asyncio.get_running_loop().time() + BROKEN_SECONDS
        logger.error(BROKEN, stream, reason, literal(stream), BROKEN_SECONDS)
        return None

    async def _read(self, connection: psycopg.AsyncConnection, stream: str) -> RecentEvents:
        """Bring the tail of a stream up to date; begin it if it is new."""
        tail = self._tails.get(stream)
        if tail is None:
            tail = self._tails[stream] = RecentEvents(
                (await self._log.state(connection, stream)).last,
                keep_events=conf.get("RECENT_EVENTS"),
                keep_bytes=conf.get("RECENT_BYTES"),
            )
            return tail
        while True:
            batch = await self._log.read(connection, stream, tail.position)
            if not self._continues(tail, batch):
                state = await self._log.state(connection, stream)
                if tail.cursor not in state:  # otherwise only the event's row was deleted
                    is_pruned = tail.position < state.pruned.position
                    tail.restart(state.pruned if is_pruned else state.last)
                    continue
            self._deliver(stream, tail, batch)
            if batch.is_all:
                return tail

    @staticmethod
    def _deliver(stream: str, tail: RecentEvents, batch: Batch) -> None:
        """Add a batch to the tail, which wakes the streams that follow its events."""
        clients = tail.append(batch.events)
        seconds = perf_counter() - batch.read_at
        if clients:
            counts.insert_to_write_seconds.observe(batch.age_seconds + seconds)
        tracing.delivered(stream, batch.traces, seconds=seconds, clients=clients)

    @staticmethod
    def _continues(tail: RecentEvents, batch: Batch) -> bool:
        """Whether the batch comes from the log that the tail was read from."""
        return tail.position == 0 or batch.mark == tail.cursor.mark


def literal(text: str) -> str:
    """A text as an SQL literal, for a statement that an administrator copies."""
    return "'" + text.replace("'", "''") + "'"
