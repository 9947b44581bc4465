"""Keeps the garbage collector from going through all open streams again and again.

Python goes through every container object of a process each time their number has grown by a
quarter, and nothing else runs meanwhile: for 0.5 s with 5,000 streams on uvicorn, 0.9 s on daphne,
and a crowd that comes back sets it off a dozen times. But what a process has loaded when it starts
stays, and so do open streams, for hours. So both are put aside with `gc.freeze`, the streams a few
hundred at a time, and each collection is as short as what has come since the last.

What is put aside is still freed by its reference count. Only cycles are not: servers leave some
when a client goes. So when many have gone, everything is gone through, in the first second in which
hardly any stream opens or ends: clients that left together are likely to come back at once.

A process whose collector is switched off (`gc.disable`) is left alone.
"""

import gc
from functools import cache

# How many streams are put aside together.
STEP = 200
# Garbage is collected before the streams are put aside, because it would be put aside with them.
# Only the young generations are collected: to go through all of a stream's objects takes 0.1 ms, a
# seventh of the time to open it.
NEW_ONLY = 1
# A second with more opened and ended streams than this isn't quiet.
FEW = STEP // 10
# After so many ended streams it doesn't wait for a quiet second: each leaves some 10 kB on daphne.
MOST_LEFT = 5000


@cache
def put_start_aside() -> None:
    """Put aside what the process has loaded before its first stream. Once a process."""
    if gc.isenabled():
        gc.collect()
        gc.freeze()


class StreamsAside:
    """Counts the streams that come and go, and puts them aside."""

    def __init__(self) -> None:
        self._open = 0
        # Counts: since streams were last put aside; since the last full collection; in this second.
        self._opened = 0
        self._ended = 0
        self._moved = 0

    def opened(self) -> None:
        """A stream has been opened."""
        self._open += 1
        self._moved += 1
        self._opened += 1
        if self._opened == STEP:
            self._opened = 0
            if gc.isenabled():
                gc.collect(NEW_ONLY)
                gc.freeze()

    def ended(self) -> None:
        """A stream has ended, whether it was put aside or not."""
        self._open -= 1
        self._moved += 1
        self._ended += 1
        if self._ended == MOST_LEFT:
            self._go_through_everything()

    def tidy(self) -> None:
        """Called once a second."""
        is_quiet, self._moved = self._moved <= FEW, 0
        if is_quiet and self._ended > max(STEP, self._open // 2):
            self._go_through_everything()

    def _go_through_everything(self) -> None:
        self._opened = self._ended = 0
        if gc.isenabled():
            gc.unfreeze()
            gc.collect()
            gc.freeze()
