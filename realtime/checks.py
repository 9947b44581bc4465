"""System checks: mistakes in `REALTIME = {…}`, told before they are met at night."""

import math
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from django.conf import settings
from django.core.checks import Error
from django.db import connections
from django.utils.module_loading import import_string
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from . import conf

MAY_BE_ZERO = {"DRAIN_SECONDS"}


def check_settings(app_configs: Any = None, **kwargs: Any) -> list[Error]:
    """realtime.E001 to E007."""
    given = getattr(settings, "REALTIME", {})
    if not isinstance(given, dict):
        return [Error("REALTIME has to be a dictionary.", id="realtime.E001")]
    return [
        *_unknown_names(given),
        *_numbers_out_of_range(given),
        *_database(),
        *_authentication(),
        *_listen_url(),
    ]


def _unknown_names(given: dict[str, Any]) -> Iterator[Error]:
    for name in given.keys() - conf.DEFAULTS.keys():
        close = get_close_matches(str(name), conf.DEFAULTS, n=1)
        yield Error(
            f"REALTIME has no setting {name!r}.",
            hint=f"Did you mean {close[0]!r}?" if close else "realtime/conf.py lists them all.",
            id="realtime.E002",
        )


def _numbers_out_of_range(given: dict[str, Any]) -> Iterator[Error]:
    for name in conf.DEFAULTS.keys() & given.keys():
        wanted = _wanted(name, given[name])
        if wanted is not None:
            yield Error(
                f"REALTIME[{name!r}] is {given[name]!r}, and has to be {wanted}.",
                hint=f"The default is {conf.DEFAULTS[name]!r}.",
                id="realtime.E003",
            )


def _wanted(name: str, value: Any) -> str | None:
    """What a number has to be, in words, if it isn't that."""
    default = conf.DEFAULTS[name]
    if isinstance(default, tuple):
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            return "a pair of whole numbers, the least and the most"
        if not all(_is_number(one, int) and one > 0 for one in value) or value[0] > value[1]:
            return "a pair of whole numbers above 0, the least first"
    elif isinstance(default, (int, float)):
        kind = "a whole number" if isinstance(default, int) else "a number"
        least = "0 or more" if name in MAY_BE_ZERO else "above 0"
        is_allowed = _is_number(value, type(default)) and (
            value > 0 or (value == 0 and name in MAY_BE_ZERO)
        )
        return None if is_allowed else f"{kind}, {least}"
    return None


def _is_number(value: Any, type: type) -> bool:
    allowed = int if type is int else (int, float)
    return isinstance(value, allowed) and not isinstance(value, bool) and math.isfinite(value)


def _database() -> Iterator[Error]:
    alias = conf.get("DATABASE")
    if alias not in connections:
        yield Error(
            f"REALTIME['DATABASE'] is {alias!r}, which is not in DATABASES.",
            hint=f"It has to be one of {', '.join(map(repr, connections))}.",
            id="realtime.E004",
        )
    elif connections[alias].vendor != "postgresql":
        yield Error(
            f"The event log can't be kept in the database {alias!r}: it is not PostgreSQL.",
            hint="Name one that is: REALTIME = {'DATABASE': '…'}.",
            id="realtime.E005",
        )


def _authentication() -> Iterator[Error]:
    paths = conf.get("AUTHENTICATION")
    if not isinstance(paths, (list, tuple)) or not paths:
        yield Error(
            "REALTIME['AUTHENTICATION'] has to be a list with at least one dotted path.",
            hint=f"The default is {conf.DEFAULTS['AUTHENTICATION']!r}.",
            id="realtime.E006",
        )
        return
    for path in paths:
        try:
            found = import_string(path)
        except (ImportError, AttributeError) as error:
            reason = str(error)
        else:
            if callable(found):
                continue
            reason = "it is not a function"
        yield Error(
            f"REALTIME['AUTHENTICATION'] names {path!r}: {reason}.",
            hint="It has to be the dotted path of a function from a request to a user or None.",
            id="realtime.E006",
        )


def _listen_url() -> Iterator[Error]:
    url = conf.get("LISTEN_URL")
    if url is None:
        return
    try:
        conninfo_to_dict(url)
    except (ProgrammingError, AttributeError):
        # Neither the value nor what libpq says of it: it may hold a password.
        yield Error(
            "REALTIME['LISTEN_URL'] is not a PostgreSQL URL or connection string.",
            hint="It looks like postgresql://user:password@host:5432/name.",
            id="realtime.E007",
        )
