"""The project's settings, for ten thousand visitors from one address."""

from config.settings import *  # noqa: F403
from config.settings import REALTIME

DEBUG = False
ROOT_URLCONF = "tests.storm.many_urls"
REALTIME = {
    **REALTIME,
    "MAX_STREAMS": 20_000,
    "MAX_ANONYMOUS_STREAMS": 20_000,
    "MAX_STREAMS_PER_ADDRESS": 20_000,
    # Who has lost their server comes back soon.
    "RETRY_MILLISECONDS": (100, 300),
}
