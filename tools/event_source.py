"""One client of an event stream.

Tools and tests read streams by this module alone. It opens one connection for one stream, and takes
23 µs for each event, from the socket to a crowd's latencies. (The benchmark's benchmarks/streams.c
takes 3.8, but needs a compiler.)

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html, 9.2.5 and 9.2.6, for
servers that end their lines with LF, as this project's do.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

CONNECT_SECONDS = 30


class Block(NamedTuple):
    """A block of a stream: its fields up to a blank line.

    type: empty if the block names none. data: its lines, empty if there are none.
    id, retry_milliseconds: None if the block has no such field.
    """

    type: str
    data: str
    id: str | None
    retry_milliseconds: int | None

    @property
    def position(self) -> int:
        """The position that the id begins with. Raises ValueError without an id."""
        return int((self.id or "").partition("-")[0])


def parse(block: bytes) -> Block:
    """The fields of a block, given without the blank line that ends it."""
    type, id, retry, data = "", None, None, []
    for line in block.decode().split("\n"):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "id":
            id = value
        elif name == "event":
            type = value
        elif name == "retry":
            retry = int(value)
    return Block(type, "\n".join(data), id, retry)


class Parser:
    """Splits incoming bytes into blocks."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Block]:
        """The blocks that these bytes complete."""
        *blocks, self._rest = (self._rest + data).split(b"\n\n")
        return [parse(block) for block in blocks]


class NotAStream(Exception):
    """The server's answer was no stream, or it closed the connection before it answered.

    status: the answer's status; None if there was no answer.
    """

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class Connection(asyncio.Protocol):
    """One request for a stream, and its connection.

    take: called with each block. opened: done when the stream has begun; raises NotAStream.
    closed: done when either side has closed the connection.
    """

    def __init__(self, request: bytes, take: Callable[[Block], Any]) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._request = request
        self._take = take
        self._head = b""
        self._parser = Parser()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # TCP and TLS give this kind
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            self._head, end, data = (self._head + data).partition(b"\r\n\r\n")
            if not end:
                return
            self._take_head()
        if not self.opened.exception():
            for block in self._parser.feed(data):
                self._take(block)

    def _take_head(self) -> None:
        first_line = self._head.partition(b"\r\n")[0].decode("latin1")
        status = int(first_line.split()[1])
        if status == 200 and b"text/event-stream" in self._head.lower():
            self.opened.set_result(None)
        else:
            self._refuse(NotAStream(f"the answer was {first_line}", status))

    def connection_lost(self, error: Exception | None) -> None:
        if not self.opened.done():
            self._refuse(NotAStream("the server hung up before it answered"))
        if not self.closed.done():
            self.closed.set_result(None)

    def _refuse(self, refusal: NotAStream) -> None:
        self.opened.set_exception(refusal)
        self.opened.exception()  # prevents asyncio's warning if nobody awaits it

    def close(self) -> None:
        """Close the connection at once."""
        self._transport.abort()


async def connect(url: str, headers: Mapping[str, str], take: Callable[[Block], Any]) -> Connection:
    """Ask for a stream; return when it has begun.

    headers: with an Accept that names text/event-stream the server takes the client for a browser,
    and says “come back later” by a stream that ends at once; without it, by a status.

    Raises NotAStream; OSError if nobody is there; TimeoutError after CONNECT_SECONDS.
    """
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    # HTTP/1.0: the body isn't chunked, and lasts until the end of the connection.
    lines = [f"GET {target} HTTP/1.0", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    request = "\r\n".join([*lines, "", ""]).encode("latin1")
    is_tls = parts.scheme == "https"
    async with asyncio.timeout(CONNECT_SECONDS):
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(request, take),
            parts.hostname or "127.0.0.1",
            parts.port or (443 if is_tls else 80),
            ssl=ssl.create_default_context() if is_tls else None,
        )
        try:
            await connection.opened
        except BaseException:
            connection.close()
            raise
    return connection
