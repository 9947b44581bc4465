"""A network between a server and its database that can lose all its packets."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK_BYTES = 64 * 1024


class Proxy:
    """Forwards connections from a port of its own; runs in a thread of its own."""

    def __init__(self, to_port: int) -> None:
        self.port = 0
        self._to_port = to_port
        self._works = True
        # One for each connection: whether its packets still arrive.
        self._ways: set[Way] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """From now on nothing arrives, and no one is told: no reset, no end of file.

        Harder than a cut cable: there the kernel notices in time that nobody acknowledges.
        """
        self._works = False
        for way in tuple(self._ways):
            way.is_open = False

    def heal(self) -> None:
        """New connections work again. What was sent over the old ones is lost for ever."""
        self._works = True

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1")
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        self._server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        for way in self._ways:
            way.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        way = Way(writer, is_open=self._works)
        self._ways.add(way)
        if not self._works:
            return
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection(
                "127.0.0.1", self._to_port
            )
        except OSError:
            self._ways.discard(way)
            way.close()
            return
        way.writers.append(upstream_writer)
        for source, target in ((reader, upstream_writer), (upstream_reader, writer)):
            pump = self._loop.create_task(self._pump(way, source, target))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(
        self, way: "Way", source: asyncio.StreamReader, target: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while chunk := await source.read(CHUNK_BYTES):
                if way.is_open:
                    target.write(chunk)
                    await target.drain()
        if way.is_open:  # else the end of one side is a packet that doesn't arrive either
            self._ways.discard(way)
            way.close()


class Way:
    """One forwarded connection."""

    def __init__(self, writer: asyncio.StreamWriter, *, is_open: bool) -> None:
        self.writers = [writer]
        self.is_open = is_open

    def close(self) -> None:
        for writer in self.writers:
            writer.close()


@contextmanager
def running_proxy(to_port: int) -> Iterator[Proxy]:
    proxy = Proxy(to_port)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
