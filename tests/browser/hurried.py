"""The project's settings, for a server that soon notices who has gone, and what has gone wrong.

A browser asks again soon, too. It finds follower.html beside the site's own static files.
"""

from pathlib import Path

import tests.kept_files  # noqa: F401  a browser keeps these static files, too
from tests.realtime.quick_settings import *  # noqa: F403
from tests.realtime.quick_settings import REALTIME

SERVED = Path(__file__).parent / "served"
REALTIME = {
    **REALTIME,
    "POLL_SECONDS": 1.0,
    "QUERY_SECONDS": 2.0,
    "RETRY_MILLISECONDS": (200, 500),
}
STATICFILES_DIRS = [SERVED]
