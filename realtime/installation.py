"""Checks of the installation, made before anything fails with a misleading error.

apps.py calls this first, so this module has to work on the old versions of Python, Django and
psycopg that it refuses.
"""

import sys
from importlib import import_module
from typing import Any

import django
from django.core.checks import Error
from django.core.exceptions import ImproperlyConfigured

DISTRIBUTION = "django-postgres-realtime"
OLDEST_PYTHON = (3, 11)
OLDEST_DJANGO = (5, 2)


def refuse_unsupported() -> None:
    """Raise ImproperlyConfigured, with the remedy, if this app can't work here."""
    if sys.version_info[:2] < OLDEST_PYTHON:
        raise ImproperlyConfigured(
            f"realtime needs Python {_dotted(OLDEST_PYTHON)} or newer, and this is Python "
            f"{_dotted(sys.version_info[:2])}."
        )
    if django.VERSION[:2] < OLDEST_DJANGO:
        raise ImproperlyConfigured(
            f"realtime needs Django {_dotted(OLDEST_DJANGO)} or newer, and this is Django "
            f"{django.__version__}."
        )
    for module, install in (("psycopg", "psycopg[binary]"), ("psycopg_pool", "psycopg-pool")):
        try:
            import_module(module)
        except ImportError as error:
            raise ImproperlyConfigured(
                f"realtime needs psycopg 3 and its pool: pip install '{install}'. psycopg2 won't "
                f"do, for it can't listen asynchronously. ({error})"
            ) from error
    package = import_module(__package__)
    if "publish" not in getattr(package, "__all__", ()):
        raise ImproperlyConfigured(
            "Another distribution has overwritten files of the package 'realtime' "
            f"(in {next(iter(package.__path__))}). {_others_text()}"
        )


def check_distributions(app_configs: Any = None, **kwargs: Any) -> list[Error]:
    """realtime.E020: another distribution installs a top-level package of this name."""
    others = other_distributions()
    if not others:
        return []
    return [
        Error(
            f"Another distribution installs a package 'realtime' too: {', '.join(others)}. "
            "Python can import only one of the two, whichever it finds first.",
            hint=_others_text(),
            id="realtime.E020",
        )
    ]


def other_distributions() -> list[str]:
    """The names of other installed distributions that have a top-level package `realtime`.

    PyPI's `realtime` is one: a client for Supabase.
    """
    from importlib.metadata import packages_distributions  # new in Python 3.10

    found = packages_distributions().get("realtime", [])
    return sorted({name for name in found if name.lower() != DISTRIBUTION})


def _others_text() -> str:
    others = other_distributions() or ["realtime"]
    return (
        f"Uninstall it and install this one anew: pip uninstall {' '.join(others)}; "
        f"pip install --force-reinstall --no-deps {DISTRIBUTION}. If you need both, run them in "
        "environments of their own."
    )


def _dotted(version: Any) -> str:
    return ".".join(map(str, version))
