"""The heartbeat of open streams: one task for all of them, spread over the period."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import Protocol


class Beating(Protocol):
    def beat(self) -> None: ...


class Heartbeat:
    """Calls `beat()` of each member once every `seconds`, a slice of them every second.

    A timer for each stream would cost each one memory and the loop a sorted heap of thousands.
    """

    def __init__(self, seconds: int) -> None:
        self._slices: list[set[Beating]] = [set() for _ in range(max(1, seconds))]
        self._next_slice = cycle(self._slices)

    @contextmanager
    def beating(self, member: Beating) -> Iterator[None]:
        chosen = next(self._next_slice)
        chosen.add(member)
        try:
            yield
        finally:
            chosen.discard(member)

    async def run(self) -> None:
        while True:
            for members in self._slices:
                await asyncio.sleep(1)
                for member in tuple(members):
                    member.beat()
