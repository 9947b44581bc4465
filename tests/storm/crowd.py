"""A thousand tabs in one process: light clients that count and time what they get.

They keep to what EventSource does: they wait as long as `retry:` said, and come back with the last
id that they have seen. The storm's clients (clients.py) keep every event instead.
"""

import asyncio
import random
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from .clients import PATH

# How many connect at a time, as far as nobody has sent them away together.
CONNECTING = 50
REFUSED_SECONDS = 0.1


class Tab(asyncio.Protocol):
    """One open tab. Events have to hold `"at":<seconds since the epoch>,` in their data."""

    def __init__(self, crowd: "Crowd") -> None:
        self.crowd = crowd
        self.last_id = crowd.cursor
        self.received = 0
        self.retry_seconds = 1.0
        self.out_of_order = 0
        self.resets = 0
        self.is_open = asyncio.Event()
        self.transport: asyncio.Transport | None = None
        self._text = b""
        self._closed = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Be connected, again and again."""
        loop = asyncio.get_running_loop()
        while True:
            self._text, self._closed = b"", loop.create_future()
            async with self.crowd.turns:
                try:
                    await loop.create_connection(
                        lambda: self, "127.0.0.1", random.choice(self.crowd.ports)
                    )
                except OSError:
                    await asyncio.sleep(REFUSED_SECONDS)  # the balancer takes another one
                    continue
                await self._opened_or_closed()
            await self._closed
            await asyncio.sleep(self.retry_seconds)

    async def _opened_or_closed(self) -> None:
        opened = asyncio.ensure_future(self.is_open.wait())
        await asyncio.wait({opened, self._closed}, return_when=asyncio.FIRST_COMPLETED)
        opened.cancel()

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        # HTTP/1.0: a body without chunks, up to the end of the connection.
        transport.write(
            f"GET {PATH} HTTP/1.0\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
            f"{self.crowd.authorization}\r\nLast-Event-ID: {self.last_id}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        *blocks, self._text = (self._text + data).split(b"\n\n")
        for block in blocks:
            self._take(block)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open.clear()
        if not self._closed.done():  # cancelled with its tab
            self._closed.set_result(None)

    def _take(self, block: bytes) -> None:
        if b"retry: " in block:
            self.retry_seconds = int(block.partition(b"retry: ")[2].split()[0]) / 1000
            if not self.is_open.is_set():
                self.is_open.set()
                self.crowd.opened[int(time.monotonic())] += 1
        if block.startswith(b"event: reset"):
            self.resets += 1
        elif b"\ndata: " in block:
            position = int(block.partition(b"id: ")[2].split()[0])
            self.out_of_order += position <= self.last_id
            self.last_id = position
            self.received += 1
            sent = float(block.partition(b'"at":')[2].partition(b",")[0])
            self.crowd.latencies.append(time.time() - sent)


class Crowd:
    """tabs: those who read. opened: how many streams began in each second of the clock."""

    def __init__(self, ports: Sequence[int], authorization: str, cursor: int) -> None:
        self.ports = list(ports)
        self.authorization = authorization
        self.cursor = cursor
        self.tabs: list[Tab] = []
        self.opened: Counter[int] = Counter()
        self.latencies: list[float] = []
        self.turns = asyncio.Semaphore(CONNECTING)

    async def received_by_each(self, events: int, seconds: float) -> None:
        """Wait until each tab has so many events, or for so long."""
        deadline = time.monotonic() + seconds
        # Asked, not told: a wake-up for each event of each tab would be what takes the time.
        while (  # noqa: ASYNC110
            any(tab.received < events for tab in self.tabs) and time.monotonic() < deadline
        ):
            await asyncio.sleep(0.1)

    def percentile(self, percent: float) -> float:
        """Seconds from `at` to the tab."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


@asynccontextmanager
async def gathered(crowd: Crowd, tabs: int, seconds: float = 60) -> AsyncIterator[None]:
    """So many tabs are open, until the block ends."""
    async with asyncio.TaskGroup() as group:
        crowd.tabs = [Tab(crowd) for _ in range(tabs)]
        tasks = [group.create_task(tab.run(), name="tab") for tab in crowd.tabs]
        try:
            async with asyncio.timeout(seconds):
                for tab in crowd.tabs:
                    await tab.is_open.wait()
            yield
        finally:
            for task in tasks:
                task.cancel()
            for tab in crowd.tabs:
                if tab.transport is not None:
                    tab.transport.abort()


def stalled_sockets(port: int, authorization: str, count: int) -> Iterable[socket.socket]:
    """Clients that ask for a stream and then read nothing at all."""
    for _ in range(count):
        client = socket.socket()
        # The smallest buffer there is: what they don't read is soon the server's to keep.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port))
        client.sendall(
            f"GET {PATH} HTTP/1.0\r\nHost: localhost\r\n{authorization}\r\n\r\n".encode()
        )
        yield client
