"""The storm's settings, and a second database, whose streams are told of by the same processes."""

from config import database, environment

from .settings import *  # noqa: F403
from .settings import DATABASES, REALTIME

DATABASES = {**DATABASES, "west": database.from_url(environment.text("WEST_DATABASE_URL"))}
REALTIME = {**REALTIME, "STREAMS": {"default": "default", "west-*": "west"}}
ROOT_URLCONF = "tests.realtime.hub.urls_of_two"
