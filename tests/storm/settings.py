"""The project's settings, in a hurry: what takes seconds in the short runs takes one."""

from config.settings import *  # noqa: F403
from config.settings import REALTIME

DEBUG = False
REALTIME = {
    **REALTIME,
    # Longer than the database is away here: then no stream may end for want of a look.
    "ACCESS_CHECK_SECONDS": 20.0,
    "HEARTBEAT_SECONDS": 1,
    "POLL_SECONDS": 1.0,
    "QUERY_SECONDS": 3.0,
}
