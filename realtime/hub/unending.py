"""What has to go on for as long as a process serves, whatever goes wrong in between."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

logger = logging.getLogger("realtime")

RESTART_SECONDS = 1.0


async def unending(purpose: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run this, and run it again after an error.

    A task that ends by an error says so to nobody before the process ends. Streams would stay open
    that nobody looks after any more.

    purpose: what it does, in the words of the log.
    """
    while True:
        try:
            await run()
        except Exception:
            logger.exception("Could not %s, trying again", purpose)
            await asyncio.sleep(RESTART_SECONDS)
        else:
            return
