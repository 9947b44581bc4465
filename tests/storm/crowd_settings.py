"""The project's settings, for a crowd that shares one account."""

from config.settings import *  # noqa: F403
from config.settings import REALTIME
from realtime.conf import DEFAULTS

DEBUG = False
REALTIME = {
    **REALTIME,
    "DRAIN_SECONDS": DEFAULTS["DRAIN_SECONDS"],
    "MAX_STREAMS_PER_USER": 10_000,
}
