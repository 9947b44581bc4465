"""This project's Django, in the benchmark's own process: to place orders and to make people."""

import os

import django

from .database import APPLICATION, Database


def set_up(database: Database) -> None:
    """Django on this database, with the project's settings and its tables."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    os.environ["DJANGO_DEBUG"] = "false"
    os.environ["DATABASE_URL"] = database.url_for(APPLICATION)
    django.setup()

    from django.core.management import call_command

    call_command("migrate", verbosity=0)
