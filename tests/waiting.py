"""Polling for a change that another thread, task or process makes without notifying the test.

If the test can await the change, `soon` awaits it with a time-out.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

SECONDS = 10.0
# The first and the longest pause between two calls of a condition. Many conditions make a query or
# a request, so calling them without a pause would keep a core busy.
PAUSE_SECONDS = 0.01
LONGEST_PAUSE_SECONDS = 0.05


def wait_until(
    condition: Callable[[], Any],
    seconds: float = SECONDS,
    otherwise: Callable[[], Any] = lambda: "",
) -> Any:
    """Call a condition until its result is true, and return that result.

    otherwise: returns a text for the AssertionError that is raised after `seconds`.
    """
    deadline = time.monotonic() + seconds
    pause = PAUSE_SECONDS
    while not (given := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {otherwise()}"
        time.sleep(pause)
        pause = min(1.2 * pause, LONGEST_PAUSE_SECONDS)
    return given


async def until(condition: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """`wait_until()` for coroutines. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not (given := condition()):  # noqa: ASYNC110
            await asyncio.sleep(PAUSE_SECONDS)
    return given


async def soon(awaitable: Awaitable[Any], seconds: float = SECONDS) -> Any:
    """Await with a time-out. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        return await awaitable
