"""The heartbeat of open streams: one task for all of them, spread over the period."""

import asyncio
import logging

from .open_streams import OpenStreams

logger = logging.getLogger("realtime")


class Heartbeat:
    """Calls `beat()` of each stream once every `seconds`, a share of them every second.

    A timer for each stream would cost memory, and the loop would have to sort thousands of timers.
    """

    def __init__(self, streams: OpenStreams, seconds: int) -> None:
        self._streams = streams
        self._seconds = max(1, seconds)

    async def run(self) -> None:
        while True:
            for second in range(self._seconds):
                await asyncio.sleep(1)
                self._streams.tidy()
                for stream in self._streams.share(second, self._seconds):
                    try:
                        stream.beat()
                    except Exception:
                        # The other streams must get their heartbeat all the same.
                        logger.exception("The heartbeat of a stream failed")
