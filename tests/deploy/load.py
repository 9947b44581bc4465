"""Clients that follow, one that looks at pages and one that writes, while servers are restarted."""

import json
import threading
import time
from contextlib import ExitStack
from typing import Any, Self

import httpx
import psycopg
from httpx_sse import connect_sse

from realtime import topic_of
from tests.clients import STREAM, bearer
from tests.servers import database_url
from tests.waiting import wait_until

CLIENTS = 20
SECONDS = 60


class Follower:
    """A client that comes back whenever its stream ends, as EventSource does.

    url: or a list of them: of those that are there when it connects, the first.
    """

    def __init__(self, url: str | list[str], headers: dict[str, str]) -> None:
        self.received: list[int] = []
        self.resets: list[str] = []
        self.refused: list[int] = []
        # When each of its streams began, by time.monotonic().
        self.began: list[float] = []
        self._url, self._headers = url, headers
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower")
        self._thread.start()

    def _run(self) -> None:
        cursor = "0"
        with httpx.Client(http2=True, verify=False, timeout=10) as client:
            while not self._ended.is_set():
                headers = {
                    **self._headers,
                    "Accept": "text/event-stream",
                    "Last-Event-ID": cursor,
                }
                try:
                    with connect_sse(client, "GET", self._address, headers=headers) as source:
                        if source.response.status_code != 200:
                            self.refused.append(source.response.status_code)
                            self._ended.wait(0.2)
                            continue
                        self.began.append(time.monotonic())
                        for block in source.iter_sse():
                            cursor = block.id or cursor
                            if block.event == "reset":
                                self.resets.append(block.data)
                            elif block.data:
                                self.received.append(json.loads(block.data)["n"])
                            if self._ended.is_set():
                                return
                except httpx.HTTPError:
                    self._ended.wait(0.2)

    @property
    def _address(self) -> str:
        return self._url if isinstance(self._url, str) else self._url[0]

    def end(self) -> None:
        self._ended.set()

    def join(self) -> None:
        self._thread.join(30)


class Load:
    """On the site at an address, for as long as the block.

    broken: how often a connection was closed on which a page was just asked for.
    pages: a path that is asked for after each event; None: no page is.
    """

    def __init__(self, url: str, user: Any, *, pages: str | None = "/api/orders/") -> None:
        self._url, self._user, self._pages = url, user, pages
        self.statuses: set[int] = set()
        self.broken = 0
        self._ended = threading.Event()
        self._written = 0
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as resources:
            headers = bearer(self._user)
            self.followers = [Follower(self._url + STREAM, headers) for _ in range(CLIENTS)]
            for follower in self.followers:
                resources.callback(follower.join)
            for follower in self.followers:
                resources.callback(follower.end)
            self._client = resources.enter_context(
                httpx.Client(
                    http2=True,
                    verify=False,
                    base_url=self._url,
                    headers=headers,
                    timeout=20,
                )
            )
            self._session = resources.enter_context(
                psycopg.connect(database_url(), autocommit=True)
            )
            self._topic = topic_of(self._user)
            self._writer = threading.Thread(target=self._write, name="writer")
            self._writer.start()
            resources.callback(self._writer.join)
            resources.callback(self._ended.set)
            self._resources = resources.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._resources.close()

    def _write(self) -> None:
        while not self._ended.wait(0.02):
            self._session.execute(
                "INSERT INTO realtime_outbox (stream, topic, type, data) "
                "VALUES ('default', %s, 'orders', %s)",
                [self._topic, json.dumps({"n": self._written + 1})],
            )
            self._written += 1
            self._session.execute("SELECT pg_notify('realtime_pending', 'default')")
            if self._pages is not None:
                self.statuses.add(self._look(self._pages))

    def _look(self, page: str) -> int:
        """The status of a page; as a browser, it asks again if its connection was closed."""
        while True:
            try:
                return self._client.get(page).status_code
            except httpx.TransportError:
                self.broken += 1
                if self._ended.wait(0.05):
                    return 200

    def goes_on(self, events: int = 4) -> None:
        """Wait until each follower has got so many more."""
        seen = [len(follower.received) for follower in self.followers]
        wait_until(
            lambda: all(
                len(follower.received) >= before + events
                for follower, before in zip(self.followers, seen, strict=True)
            ),
            SECONDS,
            otherwise=self._state,
        )

    def _state(self) -> str:
        return str([(len(f.received), len(f.began), f.refused) for f in self.followers])

    def connects_since(self, moment: float) -> list[float]:
        """When streams have begun since then."""
        return sorted(at for follower in self.followers for at in follower.began if at > moment)

    def lost_nothing(self, refusals: frozenset[int] | set[int] = frozenset()) -> None:
        """Each follower has got all that was written, in order, once, and nobody was refused.

        refusals: what followers may be told meanwhile, where there is one process for streams.
        """
        self._ended.set()
        self._writer.join()
        wait_until(
            lambda: all(f.received[-1] == self._written for f in self.followers),
            SECONDS,
            otherwise=self._state,
        )
        time.sleep(0.2)  # for what comes twice
        for follower in self.followers:
            follower.end()
        everything = list(range(1, self._written + 1))
        assert all(follower.received == everything for follower in self.followers)
        assert not any(follower.resets for follower in self.followers)
        refused = {status for f in self.followers for status in f.refused}
        assert refused <= refusals, refused
        assert self.statuses == ({200} if self._pages else set())
