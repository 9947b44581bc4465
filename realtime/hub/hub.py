"""The hub: it learns of new events for a whole process, and wakes the process's streams.

It has a few tasks, however many streams are open: those of `log_follower.py`; `heartbeat`, which
keeps quiet streams open; `access`, which closes streams whose access has ended; `prune`.
"""

import asyncio
import random
from collections.abc import Coroutine
from contextvars import Context
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from .. import conf
from ..access.grants import Grant
from ..log import wire
from ..log.cursor import Cursor
from ..log.pending_notifications import known_leases
from ..log.topics import Topics
from .access_monitor import AccessMonitor
from .heartbeat import Heartbeat
from .log_follower import LogFollower
from .open_streams import DRAINED, OpenStreams
from .presence import Presence
from .pruner import Pruner
from .recent_events import RecentEvents
from .replays import Replays
from .shared_counts import SharedCounts, folder
from .stream import EventStream
from .unending import unending


class Hub:
    """Follows the event logs for the streams of one event loop."""

    _hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, "Hub"] = WeakKeyDictionary()

    @classmethod
    def current(cls) -> "Hub":
        """The hub of the running event loop, started if it does not run yet."""
        loop = asyncio.get_running_loop()
        hub = cls._hubs.get(loop)
        if hub is None:
            hub = cls._hubs[loop] = cls()
            hub._start()
        return hub

    @classmethod
    async def close_current(cls) -> None:
        """End the hub of the running event loop, if there is one: its tasks, its connections."""
        hub = cls._hubs.pop(asyncio.get_running_loop(), None)
        if hub is not None:
            await hub._close()

    def __init__(self) -> None:
        self.streams = OpenStreams()
        self._presence = Presence(self.streams)
        self._heartbeat = Heartbeat(self.streams, conf.get("HEARTBEAT_SECONDS"))
        self.access_monitor = AccessMonitor(
            self.streams,
            conf.get("ACCESS_CHECK_SECONDS"),
            conf.get("QUERY_SECONDS"),
            is_away=lambda stream: not self.follower_of(stream.name).is_reading,
        )
        # Counts shared with the processes behind the same port; None: Prometheus reads only ours.
        self.shared_counts: SharedCounts | None = None
        if (shared := folder()) is not None:
            self.shared_counts = SharedCounts(shared, self.gauges)
        # The process is about to end: it takes no new streams.
        self.is_draining = False
        # The followers, by the alias of their database.
        self.followers = {alias: self._follower(alias) for alias in conf.databases()}
        # The follower of REALTIME["DATABASE"], where the ends of accesses are notified.
        self.home = self.followers[conf.get("DATABASE")]
        self._tasks: list[asyncio.Task[Any]] = []

    def _follower(self, database: str) -> LogFollower:
        is_home = database == conf.get("DATABASE")
        return LogFollower(
            database,
            before_reading=partial(self._before_reading, database),
            polling=self._presence.beat if is_home else None,
            listening=self.access_monitor.check_all if is_home else None,
            hear_access=self.access_monitor.hear if is_home else None,
        )

    async def _before_reading(self, database: str) -> None:
        await self.access_monitor.verify_before_reading(
            lambda stream: conf.database_of(stream.name) == database
        )

    def _start(self) -> None:
        self.run("heartbeat", unending("let streams beat", self._heartbeat.run))
        self.run("access", self.access_monitor.run())
        if self.shared_counts is not None:
            self.run("counts", self.shared_counts.run())
        for alias, follower in self.followers.items():
            of_which = "" if follower is self.home else f"-{alias}"
            for name, coroutine in follower.tasks().items():
                self.run(name + of_which, coroutine)
            if conf.get("PRUNE") and conf.get("RETENTION"):
                self.run("prune" + of_which, Pruner(alias, conf.get("PRUNE_SECONDS")).run())

    async def _close(self) -> None:
        for follower in self.followers.values():
            await follower.close()
        known_leases.forget()  # those of this hub are over
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # A cancelled task keeps its traceback, and with it a half-open connection. Without this
        # line the hub and its tasks would be a cycle, and only the garbage collector would close
        # it.
        self._tasks.clear()
        for follower in self.followers.values():
            follower.give_up_waiting()

    # For the streams

    def follower_of(self, stream: str) -> LogFollower:
        """The follower of the event log that has this stream."""
        return self.followers[conf.database_of(stream)]

    def tail(self, stream: str) -> RecentEvents | None:
        """The tail of a stream, if it is being followed."""
        return self.follower_of(stream).tail(stream)

    async def catch_up(self, stream: str) -> RecentEvents:
        """See `LogFollower.catch_up()`. Raises DatabaseUnavailable."""
        return await self.follower_of(stream).catch_up(stream)

    def replays(self, stream: str) -> Replays:
        """The replays that read this stream from its table."""
        return self.follower_of(stream).replays

    def add(self, stream: EventStream) -> None:
        """Count the stream as open, and look after it."""
        self.streams.add(stream)
        self.access_monitor.check_soon(stream)

    def remove(self, stream: EventStream) -> None:
        self.streams.remove(stream)

    def open_stream(
        self,
        name: str,
        topics: Topics,
        cursor: Cursor | None,
        *,
        grant: Grant | None = None,
        follow: bool = True,
    ) -> EventStream:
        """A client's stream, which begins when it is entered (`async with`).

        topics: what the client follows. cursor: the event after which it begins; None: the client's
            cursor wasn't valid. grant: what its access depends on. follow: whether it waits for
            more events when it has sent all.
        """
        return EventStream(self, name, topics, cursor, access=grant, follow=follow)

    def poll(self) -> None:
        """Poll now, for events that no notification has told of."""
        for follower in self.followers.values():
            follower.poll()

    def run(self, name: str, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine in a task of this name, which is cancelled when the hub is closed."""
        # In a context of its own: the task must not keep the first request's context alive.
        task = asyncio.get_running_loop().create_task(
            coroutine, name=f"realtime-{name}", context=Context()
        )
        self._tasks.append(task)

    async def drain(self, seconds: float) -> None:
        """Take no more streams, and close the open ones one after the other over this time.

        Their clients reconnect at once, to another process or to this one's successor. Because the
        streams end spread over time, the clients return spread over time.
        """
        self.is_draining = True
        streams = list(self.streams)
        began = asyncio.get_running_loop().time()
        for number, stream in enumerate(streams):
            if stream not in self.streams:
                continue  # its client has left meanwhile
            due = began + seconds * number / len(streams)
            if (wait := due - asyncio.get_running_loop().time()) > 0:
                await asyncio.sleep(wait)
            retry = random.randint(*conf.get("RETRY_MILLISECONDS"))
            stream.close(DRAINED, wire.retry(retry))

    # For monitoring

    def gauges(self) -> dict[str, dict[str, float]]:
        """The present values of the gauges for the metrics, by name and label."""
        states = {alias: follower.state for alias, follower in self.followers.items()}
        return {
            "open": dict(self.streams.by_kind()),
            "connected": {
                alias: float(state.away is None and state.seconds_since_answer is not None)
                for alias, state in states.items()
            },
            "listening": {
                alias: float(state.listening_since is not None) for alias, state in states.items()
            },
        }
