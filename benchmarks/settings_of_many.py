"""The project's settings with streams in several databases: see databases.py."""

from config import database, environment
from config.settings import *  # noqa: F403
from config.settings import REALTIME

DEBUG = False
ALIASES = {
    "default" if number == 0 else f"database-{number}": database.from_url(url)
    for number, url in enumerate(environment.text("BENCHMARK_DATABASES").split())
}
DATABASES = ALIASES
REALTIME = {**REALTIME, "PRUNE": False}
