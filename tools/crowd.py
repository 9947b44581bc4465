"""Load: many streams of a running server at once, to see what a deployment carries.

One task reads all of them, with as little work for each event as Python can do: some ten thousand
deliveries a second. For `manage.py` commands that publish something meanwhile and know when; see
management/commands/load_test.py.
"""

import asyncio
import ssl
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

AT_A_TIME = 50
CONNECT_SECONDS = 30


class NotOpened(Exception):
    """Not all streams could be opened."""


class Delivered(NamedTuple):
    """What a crowd has got. Latencies in seconds, from the sending to the read; None: no event.

    doubled: events at or below a position that their stream had been at before.
    ended: streams that the server has closed.
    """

    events: int
    doubled: int
    resets: int
    ended: int
    p50: float | None
    p95: float | None
    p99: float | None


class Crowd:
    """Many open streams, and what they have got so far.

    url: of the stream. sent_at: from an event's data, as text, to the time in seconds since the
    epoch at which it was sent; None for an event that isn't to be counted.
    """

    def __init__(self, url: str, sent_at: Callable[[bytes], float | None]) -> None:
        parts = urlsplit(url)
        self._ssl = ssl.create_default_context() if parts.scheme == "https" else None
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or (443 if self._ssl else 80)
        self._netloc = parts.netloc
        self._target = parts.path + (f"?{parts.query}" if parts.query else "")
        self._sent_at = sent_at
        self._readers: list[_Reader] = []
        self._latencies = array("d")
        self.events = self.doubled = self.resets = self.ended = 0
        self.refusals: Counter[str] = Counter()

    async def open(self, headers: Iterable[Mapping[str, str]]) -> float:
        """Open a stream with each of these headers; the seconds it took. Raises NotOpened."""
        turns = asyncio.Semaphore(AT_A_TIME)
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for of_one in headers:
                group.create_task(self._open_one(of_one, turns), name="open a stream")
        if self.refusals:
            [(refusal, _)] = self.refusals.most_common(1)
            raise NotOpened(
                f"{self.refusals.total()} streams were not opened, most of them because: {refusal}"
            )
        return time.monotonic() - began

    async def _open_one(self, headers: Mapping[str, str], turns: asyncio.Semaphore) -> None:
        # HTTP/1.0: the body comes as it is, without chunks.
        lines = [f"GET {self._target} HTTP/1.0", f"Host: {self._netloc}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        request = "\r\n".join([*lines, "Accept: text/event-stream", "", ""]).encode("latin1")
        async with turns:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    _, reader = await asyncio.get_running_loop().create_connection(
                        lambda: _Reader(self, request), self._host, self._port, ssl=self._ssl
                    )
                    self._readers.append(reader)
                    refusal = await reader.answered
            except TimeoutError:
                refusal = f"no answer in {CONNECT_SECONDS} seconds"
            except OSError as error:
                refusal = str(error)
        if refusal:
            self.refusals[refusal] += 1

    def close(self) -> None:
        for reader in self._readers:
            reader.close()

    @property
    def delivered(self) -> Delivered:
        ordered = sorted(self._latencies)

        def percentile(percent: int) -> float | None:
            return ordered[len(ordered) * percent // 100] if ordered else None

        return Delivered(
            events=self.events,
            doubled=self.doubled,
            resets=self.resets,
            ended=self.ended,
            p50=percentile(50),
            p95=percentile(95),
            p99=percentile(99),
        )

    def _take(self, reader: "_Reader", block: bytes, now: float) -> None:
        if block.startswith(b"event: reset"):
            self.resets += 1
        data = block.partition(b"\ndata: ")[2]
        sent = self._sent_at(data) if data else None
        if sent is None:
            return
        position = int(block.partition(b"id: ")[2].partition(b"\n")[0])
        if position <= reader.position:
            self.doubled += 1
            return
        reader.position = position
        self.events += 1
        self._latencies.append(now - sent)


class _Reader(asyncio.Protocol):
    """One stream. answered: why it was refused, or an empty text."""

    def __init__(self, crowd: Crowd, request: bytes) -> None:
        self.position = 0
        self.answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._crowd = crowd
        self._request = request
        self._rest = b""
        self._is_closing = False
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.time()
        text = self._rest + data
        if not self.answered.done():
            head, end, text = text.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            status = head.split(b"\r\n", 1)[0].decode("latin1")
            is_stream = b" 200 " in head[:16] and b"text/event-stream" in head.lower()
            self.answered.set_result("" if is_stream else f"the answer was {status}")
        *blocks, self._rest = text.split(b"\n\n")
        for block in blocks:
            self._crowd._take(self, block, now)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.answered.done():
            self.answered.set_result("the server hung up before it answered")
        elif not self._is_closing:
            self._crowd.ended += 1

    def close(self) -> None:
        self._is_closing = True
        self._transport.abort()
