"""Clients that read, hang up when it suits them, and come back to any server with their last id."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol

from .people import Person

PATH = "/orders/realtime"
# How long a client that was turned away waits. EventSource would wait for seconds.
AWAY_SECONDS = (0.1, 0.4)


class Address(Protocol):
    port: int


class Received(NamedTuple):
    position: int
    data: str


class TurnedAway(Exception):
    """The server answered something else than a stream."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Client:
    """One open tab. It keeps what it received, and how it was treated.

    stays_seconds: how long it stays on one connection, at random in this range; None: it never
    hangs up by itself.
    """

    def __init__(
        self,
        person: Person,
        servers: Sequence[Address],
        chance: random.Random,
        *,
        cursor: int,
        stays_seconds: tuple[float, float] | None = None,
    ) -> None:
        self.person = person
        self.received: list[Received] = []
        self.cursor = str(cursor)
        self.opened = 0
        self.heartbeats = 0
        # What it did not ask for: streams that ended, and answers that were none.
        self.cut_off = 0
        self.turned_away: list[int] = []
        self.resets: list[str] = []
        # The longest times, on a connection that stayed open, without a byte (heartbeats are
        # some) and from one event to the next.
        self.longest_silence = 0.0
        self.longest_pause = 0.0
        self._servers = servers
        self._chance = chance
        self._stays_seconds = stays_seconds
        self._news = asyncio.Event()

    @property
    def last_position(self) -> int:
        """Of the last event it has received."""
        return self.received[-1].position if self.received else 0

    async def run(self) -> None:
        while True:
            server = self._chance.choice(self._servers)
            try:
                async with asyncio.timeout(self._stays()), self._connected(server) as reader:
                    try:
                        await self._read(reader)
                    except (OSError, asyncio.IncompleteReadError):
                        self.cut_off += 1
                        self._news.set()
            except TimeoutError:
                continue  # it had enough
            except TurnedAway as answer:
                self.turned_away.append(answer.status)
                self._news.set()
            except (OSError, asyncio.IncompleteReadError):
                pass  # nobody there
            await asyncio.sleep(self._chance.uniform(*AWAY_SECONDS))

    async def until(self, condition: Callable[["Client"], Any]) -> None:
        """Wait until something has happened to it that makes the condition true."""
        while not condition(self):
            self._news.clear()
            await self._news.wait()

    def _stays(self) -> float | None:
        return self._stays_seconds and self._chance.uniform(*self._stays_seconds)

    @asynccontextmanager
    async def _connected(self, server: Address) -> AsyncIterator[asyncio.StreamReader]:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            # HTTP/1.0: a body without chunks, up to the end of the connection.
            path = PATH + ("?scope=all" if self.person.is_staff else "")
            writer.write(
                f"GET {path} HTTP/1.0\r\nHost: localhost\r\n"
                f"Authorization: Bearer {self.person.token}\r\n"
                f"Last-Event-ID: {self.cursor}\r\n\r\n".encode()
            )
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head.split(maxsplit=2)[1])
            if status != 200:
                raise TurnedAway(status)
            yield reader
        finally:
            writer.transport.abort()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        clock = asyncio.get_running_loop().time
        heard = clock()
        event_heard = None
        while True:
            block = await reader.readuntil(b"\n\n")
            now = clock()
            self.longest_silence = max(self.longest_silence, now - heard)
            heard = now
            if self._take(block.decode()):
                self.longest_pause = max(self.longest_pause, now - (event_heard or now))
                event_heard = now

    def _take(self, block: str) -> bool:
        """Keep what a block says; whether it is an event."""
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        self.cursor = fields.get("id", self.cursor)
        if "retry" in fields:
            self.opened += 1
        elif fields.get("event") == "reset":
            self.resets.append(fields["data"])
        elif "data" in fields:
            self.received.append(Received(int(fields["id"]), fields["data"]))
        else:
            self.heartbeats += 1
        self._news.set()
        return "data" in fields  # that of a heartbeat is empty


@asynccontextmanager
async def connected(clients: Sequence[Client]) -> AsyncIterator[None]:
    """All of them run until the block ends."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(client.run(), name="client") for client in clients]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def each_until(
    clients: Sequence[Client], condition: Callable[[Client], Any], seconds: float
) -> None:
    """Wait until the condition is true of each of them. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        for client in clients:
            await client.until(condition)
