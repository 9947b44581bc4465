"""A crowd that shares one account, and is to go and come back in half of the time."""

from .crowd_settings import *  # noqa: F403
from .crowd_settings import REALTIME

REALTIME = {**REALTIME, "DRAIN_SECONDS": 2.5, "RETRY_MILLISECONDS": (500, 1500)}
