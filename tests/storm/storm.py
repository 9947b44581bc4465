"""One storm: orders are written, clients read them, and at the end they are compared."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from ..waiting import wait_until
from .clients import Client, connected, each_until
from .fleet import Fleet
from .truth import PublishedEvent, check_client, check_log, meant_for
from .writing import Writers

STAFF = 0.1
STAYS_SECONDS = (0.2, 3.0)
SETTLE_SECONDS = 40


class Storm:
    def __init__(self, fleet: Fleet, name: str, clients: int) -> None:
        self.fleet = fleet
        self.name = name
        self.start = fleet.position()
        cursor = fleet.cursor()
        chance = random.Random(name)
        # One for each server. They see every event and never hang up, so that they show what a
        # fault does to the open streams of that server.
        self.watchers = [
            Client(person, [server], chance, cursor=cursor)
            for person, server in zip(fleet.staff, fleet.servers, strict=False)
        ]
        self.clients = self.watchers + [
            Client(
                chance.choice(fleet.staff if chance.random() < STAFF else fleet.customers),
                fleet.servers,
                chance,
                cursor=cursor,
                stays_seconds=STAYS_SECONDS,
            )
            for _ in range(clients - len(self.watchers))
        ]
        self.writers: Writers
        self._began = time.monotonic()
        self.events: list[PublishedEvent] = []

    async def written(self, committed: int) -> None:
        """Until so many more events have been committed."""
        await asyncio.to_thread(self.writers.wait_for, committed)

    async def writers_finish(self, *, at_once: bool = False) -> None:
        await asyncio.to_thread(self.writers.finish, at_once=at_once)

    async def caught_up(self) -> None:
        """Until every watcher has received as many events as have been committed by now."""
        position = await asyncio.to_thread(self.fleet.position)
        position += await asyncio.to_thread(self.fleet.waiting)
        await each_until(
            self.watchers, lambda client: client.last_position >= position, SETTLE_SECONDS
        )

    async def heartbeats(self, count: int) -> None:
        """Until every watcher has had so many more of them."""
        goals = {client: client.heartbeats + count for client in self.watchers}
        await each_until(
            self.watchers, lambda client: client.heartbeats >= goals[client], SETTLE_SECONDS
        )

    async def settle(self) -> None:
        """Until all is numbered, and every client has its last event."""
        await asyncio.to_thread(
            wait_until,
            lambda: not self.fleet.waiting(),
            SETTLE_SECONDS,
            otherwise=self.fleet.servers_output,
        )
        self.events = await asyncio.to_thread(self.fleet.published, self.start)
        last = {
            client: meant[-1].position
            for client in self.clients
            if (meant := meant_for(client.person, self.events))
        }
        # Give up quietly: the comparison tells more.
        with suppress(TimeoutError):
            await each_until(
                list(last), lambda client: client.last_position >= last[client], SETTLE_SECONDS
            )

    def check(self) -> None:
        check_log(self.fleet, self.writers, self.events, self.name)
        for client in self.clients:
            check_client(client, self.events)
        print(self.summary())

    def summary(self) -> str:
        deliveries = sum(len(client.received) for client in self.clients)
        return (
            f"{self.name}: {len(self.events)} events, {deliveries} deliveries to "
            f"{len(self.clients)} clients, {self.reconnects} reconnects, "
            f"{len(self.cut_off)} cut off, {len(self.turned_away)} turned away, "
            f"longest silence {self.longest_silence:.1f} s, longest pauses of the watchers "
            f"{', '.join(f'{watcher.longest_pause:.1f}' for watcher in self.watchers)} s, "
            f"{time.monotonic() - self._began:.0f} s"
        )

    @property
    def reconnects(self) -> int:
        return sum(client.opened - 1 for client in self.clients)

    @property
    def cut_off(self) -> list[Client]:
        """Clients whose stream ended, and not because they hung up."""
        return [client for client in self.clients if client.cut_off]

    @property
    def turned_away(self) -> list[int]:
        """Answers other than a stream."""
        return [status for client in self.clients for status in client.turned_away]

    @property
    def longest_silence(self) -> float:
        return max(client.longest_silence for client in self.clients)


@asynccontextmanager
async def storm(
    fleet: Fleet,
    name: str,
    *,
    clients: int,
    writers: int,
    events: int = 1_000_000,
    pause: float = 0.05,
) -> AsyncIterator[Storm]:
    """A storm until the block ends and everything has settled.

    events: how many each writer commits. pause: of each writer between two transactions, in
    seconds on average.
    """
    fleet.query("DELETE FROM realtime_outbox RETURNING id")  # of a storm that failed
    running = Storm(fleet, name, clients)
    with fleet.writers(name, count=writers, events=events, pause=pause) as running.writers:
        async with connected(running.clients):
            await each_until(running.clients, lambda client: client.opened, SETTLE_SECONDS)
            yield running
            await running.settle()
