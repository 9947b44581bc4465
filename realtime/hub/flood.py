"""A flood of notifications: more than our own processes send, which take leases under load.

Any role that may connect to the database may notify, as often as it likes.
"""

from collections.abc import Callable

# More notifications than this, in this time, are a flood.
FLOOD_NOTIFICATIONS = 200
FLOOD_SECONDS = 0.1


class FloodGauge:
    """Counts notifications, by the clock of an event loop."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heard = 0
        self._since = 0.0

    def hear(self) -> None:
        """Count one."""
        self._heard += 1

    @property
    def is_flooded(self) -> bool:
        """Whether more of them come than our processes send. Begins to count anew after a while."""
        elapsed = self._clock() - self._since
        is_flooded = self._heard > FLOOD_NOTIFICATIONS * max(1, elapsed / FLOOD_SECONDS)
        if elapsed >= FLOOD_SECONDS:
            self._heard = 0
            self._since += elapsed
        return is_flooded
