"""The project's settings, for a server whose static files a browser keeps.

Without a word about that, a browser goes by their age. In a fresh checkout they are minutes old,
and it would ask for each of them again with every page: fifty requests,
half of what a page takes.
"""

from django.contrib.staticfiles import handlers
from django.views.decorators.cache import cache_control

from config.settings import *  # noqa: F403

KEPT_SECONDS = 3_600

handlers.serve = cache_control(max_age=KEPT_SECONDS)(handlers.serve)
