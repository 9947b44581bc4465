"""The project's settings, for a server that soon notices who has gone, and what has gone wrong.

A browser asks again soon, too.
"""

from tests.realtime.quick_settings import *  # noqa: F403
from tests.realtime.quick_settings import REALTIME

REALTIME = {**REALTIME, "POLL_SECONDS": 1.0, "RETRY_MILLISECONDS": (200, 500)}
