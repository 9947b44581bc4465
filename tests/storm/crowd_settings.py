"""The project's settings, for a crowd that shares one account."""

from config.settings import *  # noqa: F403
from config.settings import REALTIME

DEBUG = False
REALTIME = {**REALTIME, "MAX_STREAMS_PER_USER": 10_000}
