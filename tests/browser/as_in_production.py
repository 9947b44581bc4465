"""The site as production has it, with its static files in a folder of their own."""

import os

from config.settings import *  # noqa: F403

STATIC_ROOT = os.environ["STATIC_ROOT"]
