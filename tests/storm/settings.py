"""The project's settings, in a hurry: what takes seconds in the short runs takes one."""

from config.settings import *  # noqa: F403
from config.settings import REALTIME

DEBUG = False
REALTIME = {
    **REALTIME,
    "ACCESS_CHECK_SECONDS": 2.0,
    "HEARTBEAT_SECONDS": 1,
    "POLL_SECONDS": 1.0,
    "QUERY_SECONDS": 2.0,
}
