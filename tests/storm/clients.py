"""Clients that read, hang up when it suits them, and come back to any server with their last id."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol

from tools.event_source import Block, NotAStream, connect

from ..clients import STREAM
from .people import Person

# How long a client that was turned away waits. EventSource would wait for seconds.
AWAY_SECONDS = (0.1, 0.4)


class Address(Protocol):
    port: int


class Received(NamedTuple):
    position: int
    data: str


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
        cursor: str,
        stays_seconds: tuple[float, float] | None = None,
    ) -> None:
        self.person = person
        self.received: list[Received] = []
        self.cursor = cursor
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
        self._heard: float | None = None
        self._event_heard: float | None = None
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
            try:
                async with asyncio.timeout(self._stays()):
                    await self._stay_until_cut_off(self._chance.choice(self._servers))
            except TimeoutError:
                continue  # it had enough
            except NotAStream as answer:
                if answer.status is not None:
                    self.turned_away.append(answer.status)
                    self._news.set()
            except OSError:
                pass  # nobody there
            await asyncio.sleep(self._chance.uniform(*AWAY_SECONDS))

    async def until(self, condition: Callable[["Client"], Any]) -> None:
        """Wait until something has happened to it that makes the condition true."""
        while not condition(self):
            self._news.clear()
            await self._news.wait()

    def _stays(self) -> float | None:
        return self._stays_seconds and self._chance.uniform(*self._stays_seconds)

    async def _stay_until_cut_off(self, server: Address) -> None:
        self._heard = self._event_heard = None
        query = "?scope=all" if self.person.is_staff else ""
        headers = {"Authorization": f"Bearer {self.person.token}", "Last-Event-ID": self.cursor}
        connection = await connect(
            f"http://127.0.0.1:{server.port}{STREAM}{query}", headers, self._take
        )
        try:
            await connection.closed
        finally:
            connection.close()
        self.cut_off += 1
        self._news.set()

    def _take(self, block: Block) -> None:
        now = asyncio.get_running_loop().time()
        self.longest_silence = max(self.longest_silence, now - (self._heard or now))
        self._heard = now
        self.cursor = self.cursor if block.id is None else block.id
        if block.retry_milliseconds is not None:
            self.opened += 1
        elif block.type == "reset":
            self.resets.append(block.data)
        elif block.type.startswith("bell."):
            pass  # told beside the orders, and counted by nobody here
        elif block.data:  # that of a heartbeat is empty
            self.longest_pause = max(self.longest_pause, now - (self._event_heard or now))
            self._event_heard = now
            self.received.append(Received(block.position, block.data))
        else:
            self.heartbeats += 1
        self._news.set()


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
