"""The project's settings, for servers in a hurry that keep next to nothing in memory.

What a client missed comes from the table then, or it has been pruned.
"""

from config.settings import *  # noqa: F403
from config.settings import REALTIME

REALTIME = {
    **REALTIME,
    "RECENT_EVENTS": 5,
    "HEARTBEAT_SECONDS": 1,
    "POLL_SECONDS": 1.0,
    "QUERY_SECONDS": 2.0,
    "ACCESS_CHECK_SECONDS": 2.0,
    "DRAIN_SECONDS": 0.5,
}
