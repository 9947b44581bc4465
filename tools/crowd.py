"""Many clients of a running server at once: they measure what a deployment carries and loses.

They behave like a browser's EventSource: when a stream ends they wait as long as the server's last
`retry:` said, and reconnect with the last id that they have seen.
"""

import asyncio
import random
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Self

from .event_source import Block, Connection, NotAStream, connect

# How many clients connect at a time.
AT_A_TIME = 50
REFUSED_SECONDS = 0.1


class NotOpened(Exception):
    """Not all streams could be opened."""


class Delivered(NamedTuple):
    """What a crowd has received. Latencies are in seconds from sending to reading; None: no event.

    doubled: how many events came at or below their client's last position.
    ended: how many streams the server has closed.
    """

    events: int
    doubled: int
    resets: int
    ended: int
    p50: float | None
    p95: float | None
    p99: float | None


class Crowd:
    """Clients, and what they have received so far.

    urls: the stream's addresses, one for each process; a client takes any of them at each attempt.
    sent_at: takes an event's data, and returns when it was sent, in seconds since the epoch; None:
    don't count the event. last_id: the id that clients send at first. openings, endings: how many
    streams began, and were closed by the server, in each second of the monotonic clock.
    """

    def __init__(
        self,
        urls: Sequence[str],
        sent_at: Callable[[str], float | None],
        last_id: str | None = None,
    ) -> None:
        self.urls = list(urls)
        self.last_id = last_id
        self.clients: list[Client] = []
        self.openings: Counter[int] = Counter()
        self.endings: Counter[int] = Counter()
        self.latencies = array("d")
        self.turns = asyncio.Semaphore(AT_A_TIME)
        self.sent_at = sent_at
        self.events = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def open(self, headers: Iterable[Mapping[str, str]], seconds: float = 120) -> float:
        """Start a client with each of these headers; they stay until `close()`.

        Returns the seconds until all have a stream. Raises NotOpened.
        """
        began = time.monotonic()
        clients = [Client(self, of_one) for of_one in headers]
        self.clients += clients
        self._tasks += [
            asyncio.create_task(client.run(), name="client of a stream") for client in clients
        ]
        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(client.first_answer for client in clients))
        except TimeoutError:
            missing = sum(not client.first_answer.done() for client in clients)
            raise NotOpened(f"{missing} streams were not opened in {seconds:g} seconds") from None
        refusals = Counter(refusal for client in clients if (refusal := client.refusal))
        if refusals:
            [(refusal, _)] = refusals.most_common(1)
            raise NotOpened(
                f"{refusals.total()} streams were not opened, most of them because: {refusal}"
            )
        return time.monotonic() - began

    async def close(self) -> None:
        """Disconnect all clients for good."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def all_open(self, seconds: float) -> None:
        """Wait until each has a stream, after some were closed. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            for client in self.clients:
                await client.is_open.wait()

    async def received_by_each(self, events: int, seconds: float) -> None:
        """Wait until each client has so many events, but no longer than so many seconds."""
        deadline = time.monotonic() + seconds
        # Polled, because a wake-up for each event of each client would take most of the time.
        while (  # noqa: ASYNC110
            any(client.received < events for client in self.clients) and time.monotonic() < deadline
        ):
            await asyncio.sleep(0.05)

    def percentile(self, percent: int) -> float | None:
        """Seconds from the sending of an event to a client; None without one."""
        ordered = sorted(self.latencies)
        return ordered[len(ordered) * percent // 100] if ordered else None

    @property
    def doubled(self) -> int:
        return sum(client.doubled for client in self.clients)

    @property
    def resets(self) -> int:
        return sum(client.resets for client in self.clients)

    @property
    def delivered(self) -> Delivered:
        return Delivered(
            events=self.events,
            doubled=self.doubled,
            resets=self.resets,
            ended=self.endings.total(),
            p50=self.percentile(50),
            p95=self.percentile(95),
            p99=self.percentile(99),
        )


class Client:
    """One of the crowd. refusal: why its first attempt failed; empty if it did not."""

    def __init__(self, crowd: Crowd, headers: Mapping[str, str]) -> None:
        self.received = self.doubled = self.resets = 0
        self.is_open = asyncio.Event()
        self.first_answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.refusal = ""
        self._crowd = crowd
        self._headers = {"Accept": "text/event-stream", **headers}
        self._last_id = crowd.last_id
        self._position = 0
        self._retry_seconds = 1.0

    async def run(self) -> None:
        """Connect, and reconnect for ever."""
        while True:
            try:
                connection = await self._connect()
            except (OSError, TimeoutError, NotAStream) as error:
                self._answered(str(error) or "no answer in time")
                await asyncio.sleep(REFUSED_SECONDS)  # the balancer may choose another process then
                continue
            try:
                self._answered("")
                self.is_open.set()
                self._crowd.openings[int(time.monotonic())] += 1
                await connection.closed
                self._crowd.endings[int(time.monotonic())] += 1
            finally:
                self.is_open.clear()
                connection.close()
            await asyncio.sleep(self._retry_seconds)

    async def _connect(self) -> Connection:
        headers = self._headers
        if self._last_id is not None:
            headers = {**headers, "Last-Event-ID": self._last_id}
        async with self._crowd.turns:
            return await connect(random.choice(self._crowd.urls), headers, self._take)

    def _answered(self, refusal: str) -> None:
        if not self.first_answer.done():
            self.refusal = refusal
            self.first_answer.set_result(None)

    def _take(self, block: Block) -> None:
        now = time.time()
        if block.id is not None:
            self._last_id = block.id
        if block.retry_milliseconds is not None:
            self._retry_seconds = block.retry_milliseconds / 1000
        if block.type == "reset":
            self.resets += 1
            return
        sent = self._crowd.sent_at(block.data) if block.data else None
        if sent is None:
            return
        position = block.position
        if position <= self._position:
            self.doubled += 1
            return
        self._position = position
        self.received += 1
        self._crowd.events += 1
        self._crowd.latencies.append(now - sent)
