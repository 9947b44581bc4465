"""The project's settings, for servers that are restarted again and again."""

from config.settings import *  # noqa: F403
from config.settings import REALTIME

REALTIME = {**REALTIME, "RECENT_EVENTS": 50, "HEARTBEAT_SECONDS": 1, "DRAIN_SECONDS": 3.0}
