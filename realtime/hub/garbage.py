"""The garbage collector, which must not go through all open streams again and again.

Python goes through every container object of a process each time their number has grown by a
quarter, and nothing else runs meanwhile: for 0.5 s with 5,000 streams on uvicorn, 0.9 s on daphne,
and a crowd that comes back sets it off a dozen times. But what a process has loaded when it starts
stays, and so do open streams, for hours. So both are put aside with `gc.freeze`, the streams a few
hundred at a time, and each collection is as short as what has come since the last.

What is put aside is still freed by its reference count. Only cycles are not: servers leave some
when a client goes. So all is taken back when many have gone.

A process whose collector is switched off (`gc.disable`) is left alone.
"""

import gc
from functools import cache

# How many streams are put aside together.
STEP = 200
# Before they are put aside, garbage is collected, for it would be put aside, too. Where streams
# only come, among what is new: to go through all that they have brought takes 0.1 ms for each, a
# seventh of what opening it takes. Where as many have gone, among everything: each may have left a
# cycle.
NEW_ONLY, EVERYTHING = 1, 2


@cache
def put_start_aside() -> None:
    """Put aside what the process has loaded before its first stream. Once a process."""
    if gc.isenabled():
        gc.collect()
        gc.freeze()


class StreamsAside:
    """Counts the streams that come and go, and puts them aside, or takes all back."""

    def __init__(self) -> None:
        self._opened = 0
        self._ended = 0
        self._ended_since_collected = 0
        self._aside = 0

    def opened(self) -> None:
        """A stream has been opened."""
        self._opened += 1
        if self._opened == STEP:
            self._opened = 0
            self._aside += STEP
            if gc.isenabled():
                self._collect()
                gc.freeze()

    def _collect(self) -> None:
        if self._ended_since_collected < STEP:
            gc.collect(NEW_ONLY)
        else:
            self._ended_since_collected = 0
            gc.collect(EVERYTHING)

    def ended(self) -> None:
        """A stream has ended, one of those put aside or not."""
        self._ended += 1
        self._ended_since_collected += 1
        if self._aside and self._ended > max(STEP, self._aside // 2):
            self._opened = self._ended = self._aside = 0
            # The next collection, which Python begins by itself, goes through what is left.
            gc.unfreeze()
