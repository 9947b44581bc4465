"""The project's settings, for a server that soon notices who has stopped reading."""

from config.settings import *  # noqa: F403
from config.settings import REALTIME as PROJECTS

REALTIME = {**PROJECTS, "HEARTBEAT_SECONDS": 1, "STALLED_HEARTBEATS": 2}
