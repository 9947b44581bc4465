"""The primary is gone without a word, under writers and clients, and a standby takes its place.

What the standby lacks is lost, and whoever has seen it is told so; nothing else is lost or doubled.
With a synchronous standby nothing that anybody has seen is lost at all, however little the project
itself waits for.
"""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count, pairwise
from typing import NamedTuple

import psycopg
import pytest

from tools.event_source import Block

from ..servers import ROOT
from ..storm.clients import Client, connected, each_until
from ..storm.fleet import Server
from ..storm.people import Person
from .patroni import TTL, Pair, running_pair

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("processes")]

SETTINGS = "tests.storm.settings"
PUBLISH = """
    INSERT INTO realtime_outbox (stream, topic, type, data) VALUES ('default', %s, 'orders', %s);
"""
HINT = "SELECT pg_notify('realtime_pending', 'default')"
HEAL_SECONDS = 60


class Seen(NamedTuple):
    """id: position and mark, as the client would send it back."""

    id: str
    data: str
    at: float


class Follower(Client):
    """A client that keeps when it received what, and where it was told to begin anew."""

    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        self.seen: list[Seen] = []
        # Each reset: reason and id, and how much was seen before it.
        self.told: list[tuple[str, str, int]] = []

    def _take(self, block: Block) -> None:
        super()._take(block)
        if block.type == "reset":
            self.told.append((json.loads(block.data)["reason"], block.id, len(self.seen)))
        elif block.data:
            self.seen.append(Seen(block.id, block.data, time.monotonic()))

    @property
    def stood_still(self) -> float:
        """The longest time from one event to the next, in seconds."""
        times = [seen.at for seen in self.seen]
        return max(after - before for before, after in pairwise(times))


class Writer:
    """Publishes events, one transaction each, and goes on by itself when the database is back."""

    def __init__(self, url: str, people: list[Person]) -> None:
        self.acknowledged: list[str] = []
        self._url = url
        self._people = people
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="writer")
        self._thread.start()

    def _run(self) -> None:
        numbers = count(1)
        while not self._ended.is_set():
            try:
                with psycopg.connect(self._url, autocommit=True, connect_timeout=2) as session:
                    while not self._ended.wait(0.02):
                        data = json.dumps({"order": next(numbers)})
                        session.execute(PUBLISH, [random.choice(self._people).topic, data])
                        self.acknowledged.append(data)
                        session.execute(HINT)
            except psycopg.Error:
                self._ended.wait(0.1)

    def end(self) -> None:
        self._ended.set()
        self._thread.join()


class Site:
    """Two server processes on a pair of databases, people, and one who writes."""

    def __init__(self, pair: Pair, url: str, resources: ExitStack) -> None:
        self.pair, self.url = pair, url
        made = subprocess.run(
            [sys.executable, "-m", "tests.storm.people"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": SETTINGS},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        people = [Person(*each) for each in json.loads(made)]
        customers = [person for person in people if not person.is_staff][:6]
        self.people = customers + [person for person in people if person.is_staff][:2]
        self.servers = [Server(url, SETTINGS) for _ in range(2)]
        for server in self.servers:
            resources.callback(server.stop)
            server.start()
        self.writer = Writer(url, customers)
        resources.callback(self.writer.end)

    def followers(self) -> list[Follower]:
        chance = random.Random(7)
        return [Follower(person, self.servers, chance, cursor="0") for person in self.people]

    def log(self) -> dict[int, tuple[str, str, str]]:
        """Of each position: id, topic and data."""
        with psycopg.connect(self.url, autocommit=True) as session:
            rows = session.execute(
                "SELECT position, format('%s-%s', position, to_hex(mark)), topic, data "
                "FROM realtime_event WHERE stream = 'default' ORDER BY position"
            ).fetchall()
        return {position: tuple(rest) for position, *rest in rows}


@contextmanager
def a_site(*, synchronous: bool, through_haproxy: bool = False) -> Iterator[Site]:
    with running_pair(synchronous=synchronous) as pair, ExitStack() as resources:
        url = pair.url
        if through_haproxy:
            url = f"postgresql://postgres@127.0.0.1:{pair.haproxy()}/postgres"
            pair.until(lambda: is_reached(url))
        yield Site(pair, url, resources)


def is_reached(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.Error:
        return False
    return True


async def fail_over(site: Site, online: list[Follower], offline: list[Follower], *, lose: bool):
    """The primary dies, and comes back as a standby. Returns what it took, in seconds.

    lose: let the standby lack what the clients were told of last.
    """
    pair = site.pair
    primary, standby = pair.primary, pair.standby
    async with connected(online):
        async with connected(offline):
            await each_until([*online, *offline], lambda client: len(client.seen) >= 3, 30)
            if lose:
                # The sender, not the receiver: what is on the way already would arrive.
                primary.walsender().send_signal(signal.SIGSTOP)
                await asyncio.sleep(0.2)
            known = {client: len(client.seen) for client in [*online, *offline]}
            await each_until(
                [*online, *offline], lambda client: len(client.seen) >= known[client] + 3, 30
            )
        # Those who are offline go home with what they have seen.
        primary.kill()
        died_at = time.monotonic()
        await asyncio.to_thread(pair.until, lambda: standby.role == "primary")
        promoted_at = time.monotonic()
        await each_until(online, lambda client: client.seen[-1].at > promoted_at, HEAL_SECONDS)
        first = min(seen.at for client in online for seen in client.seen if seen.at > promoted_at)
        pair.start_node(primary)
        await asyncio.to_thread(pair.until, pair.is_whole)
        async with connected(offline):
            known = {client: len(client.seen) for client in offline}
            await each_until(
                offline, lambda client: len(client.seen) >= known[client] + 3, HEAL_SECONDS
            )
            await asyncio.to_thread(site.writer.end)
            last = await asyncio.to_thread(wait_until_all_is_numbered, site)
            for client in [*online, *offline]:
                mine = [data for _, topic, data in last.values() if is_for(client, topic)]
                await each_until([client], has_seen(mine[-1]), 30)
    return {
        "promoted after": promoted_at - died_at,
        "live after the promotion": first - promoted_at,
        "stood still": max(client.stood_still for client in online),
    }


def has_seen(data: str) -> Callable[[Client], bool]:
    return lambda client: client.seen[-1].data == data


def wait_until_all_is_numbered(site: Site) -> dict[int, tuple[str, str, str]]:
    def none_waits() -> bool:
        with psycopg.connect(site.url, autocommit=True) as session:
            return not session.execute("SELECT count(*) FROM realtime_outbox").fetchone()[0]

    site.pair.until(none_waits)
    return site.log()


def is_for(client: Follower, topic: str) -> bool:
    return client.person.is_staff or client.person.topic == topic


def check(client: Follower, log: dict[int, tuple[str, str, str]]) -> int:
    """What it saw is what the log has, or it was told. Returns how much it saw that is lost."""
    meant = [(id, data) for id, topic, data in log.values() if is_for(client, topic)]
    seen = [(one.id, one.data) for one in client.seen]
    lost = set(seen) - set(meant)
    if not lost:
        assert not client.told, client.told
        assert seen == meant
        return 0
    [(reason, cursor, before)] = client.told
    assert reason == "history"
    # Before the loss it saw all there is, and then what is lost; after it all that comes.
    assert seen[:before] == meant[: before - len(lost)] + seen[before - len(lost) : before]
    assert set(seen[before - len(lost) : before]) == lost
    position = int(cursor.split("-")[0])
    assert seen[before:] == [one for one in meant if int(one[0].split("-")[0]) > position]
    return len(lost)


def report(name: str, figures: dict[str, float], **counts: int) -> None:
    """For docs/guarantees.md; `-s` shows it."""
    print(f"\n{name}: " + ", ".join(f"{key} {value:.1f} s" for key, value in figures.items()))
    print(", ".join(f"{key} {value}" for key, value in counts.items()))


@pytest.mark.parametrize("through_haproxy", [False, True], ids=["two hosts", "HAProxy"])
async def test_what_an_asynchronous_standby_lacks_is_told_to_all_who_had_seen_it(through_haproxy):
    with a_site(synchronous=False, through_haproxy=through_haproxy) as site:
        online, offline = site.followers(), site.followers()
        figures = await fail_over(site, online, offline, lose=True)
        log = site.log()
        lost = [check(client, log) for client in [*online, *offline]]
        assert all(lost)  # else there was nothing to tell of
        told = {data for _, _, data in log.values()}
        report("asynchronous", figures, lost=len(set(site.writer.acknowledged) - told))
        assert figures["promoted after"] < 2 * TTL
        assert figures["live after the promotion"] < 5


@pytest.mark.parametrize("synchronous_commit", ["on", "local", "remote_write"])
async def test_with_a_synchronous_standby_nothing_that_was_seen_is_lost(synchronous_commit):
    with a_site(synchronous=True) as site:
        with site.pair.primary.connect() as administrator:
            administrator.execute(
                f"ALTER DATABASE postgres SET synchronous_commit = {synchronous_commit}"
            )
            administrator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
        online, offline = site.followers(), site.followers()
        figures = await fail_over(site, online, offline, lose=False)
        log = site.log()
        assert [check(client, log) for client in [*online, *offline]] == [0] * 16
        told = {data for _, _, data in log.values()}
        lost = set(site.writer.acknowledged) - told
        report(f"synchronous, {synchronous_commit}", figures, lost=len(lost))
        assert not lost or synchronous_commit == "local"
