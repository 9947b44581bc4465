"""Tasks that have to run for as long as a process serves, whatever goes wrong."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

logger = logging.getLogger("realtime")

RESTART_SECONDS = 1.0


async def unending(purpose: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine, and run it again after an error.

    asyncio reports the error of a task only when somebody awaits it. Until then streams would stay
    open without anything looking after them.

    purpose: what it does, as log messages say it.
    run: makes the coroutine.
    """
    while True:
        try:
            await run()
        except Exception:
            logger.exception("Could not %s, trying again", purpose)
            await asyncio.sleep(RESTART_SECONDS)
        else:
            return
