"""Waiting for what another thread, task or process brings about, and nobody here is told of.

What one is told of is awaited instead, if not for ever: `soon`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

SECONDS = 10.0
# Between two questions: the first pause, and the longest that it grows to. Many a question is a
# query or a request: to ask all the time would keep a core busy.
PAUSE_SECONDS = 0.01
LONGEST_PAUSE_SECONDS = 0.05


def wait_until(
    condition: Callable[[], Any],
    seconds: float = SECONDS,
    otherwise: Callable[[], Any] = lambda: "",
) -> Any:
    """Ask again until it is so; what the condition gave.

    otherwise: what to say if it isn't so in time. Raises AssertionError.
    """
    deadline = time.monotonic() + seconds
    pause = PAUSE_SECONDS
    while not (given := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {otherwise()}"
        time.sleep(pause)
        pause = min(1.2 * pause, LONGEST_PAUSE_SECONDS)
    return given


async def until(condition: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """The same in an event loop. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not (given := condition()):  # noqa: ASYNC110
            await asyncio.sleep(PAUSE_SECONDS)
    return given


async def soon(awaitable: Awaitable[Any], seconds: float = SECONDS) -> Any:
    """Await it, but not for ever. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        return await awaitable
