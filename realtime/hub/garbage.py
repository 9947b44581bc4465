"""The garbage collector, which must not go through all open streams again and again.

Python goes through every container object of a process each time their number has grown by a
quarter, and nothing else runs meanwhile: for 0.5 s with 5,000 streams on uvicorn, 0.9 s on daphne,
and a crowd that comes back sets it off a dozen times. But what a process has loaded when it starts
stays, and so do open streams, for hours. So both are put aside with `gc.freeze`, the streams a few
hundred at a time, and each collection is as short as what has come since the last.

What is put aside is still freed by its reference count. Only cycles are not: servers leave some
when a client goes. So when many have gone, everything is gone through, in the first second in which
hardly anybody comes or goes: a crowd that has left is most likely about to come back.

A process whose collector is switched off (`gc.disable`) is left alone.
"""

import gc
from functools import cache

# How many streams are put aside together.
STEP = 200
# Before they are put aside, garbage is collected, for it would be put aside, too: among what is new
# only, for to go through all that they have brought takes 0.1 ms for each, a seventh of what
# opening it takes.
NEW_ONLY = 1
# With more comings and goings in a second it isn't quiet.
FEW = STEP // 10
# What so many leave behind isn't kept for a quiet second: some 10 kB each on daphne.
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
        # Since some were put aside; since everything was gone through; in this second.
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
        """A stream has ended, one of those put aside or not."""
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
