"""System checks: mistakes in `REALTIME = {…}`, and a server that holds no streams."""

import math
import sys
from collections.abc import Iterator
from difflib import get_close_matches
from inspect import iscoroutinefunction
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.management import get_commands
from django.db import connections
from django.utils.module_loading import import_string
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from . import conf
from .log.retention import OTHERS, parse_age

NO_FUNCTION = "it is not a function"
ASYNCHRONOUS = "it is asynchronous, and is called in a thread, where it may query the database"
MAY_BE_ZERO = {"DRAIN_SECONDS"}


def check_settings(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """realtime.E001 to E016 and W002."""
    given = getattr(settings, "REALTIME", {})
    if not isinstance(given, dict):
        return [Error("REALTIME has to be a dictionary.", id="realtime.E001")]
    return [
        *_unknown_names(given),
        *_numbers_out_of_range(given),
        *_database(),
        *_replay_database(),
        *_authentication(),
        *_listen_url(),
        *_retention(),
        *_streams(),
        *_tenant(),
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
    elif isinstance(default, bool):
        return None if isinstance(value, bool) else "True or False"
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


def _replay_database() -> Iterator[Error]:
    given = conf.get("REPLAY_DATABASE")
    if given is None:
        return
    standbys = given if isinstance(given, dict) else {conf.get("DATABASE"): given}
    for alias in [*standbys, *standbys.values()]:
        if alias not in connections or connections[alias].vendor != "postgresql":
            yield Error(
                f"REALTIME['REPLAY_DATABASE'] names {alias!r}, which is no PostgreSQL in "
                "DATABASES.",
                hint="It has to be the alias of a standby, or {'alias': 'alias of its standby'}.",
                id="realtime.E015",
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
            if callable(found) and not iscoroutinefunction(found):
                continue
            reason = NO_FUNCTION if not callable(found) else ASYNCHRONOUS
        yield Error(
            f"REALTIME['AUTHENTICATION'] names {path!r}: {reason}.",
            hint="It has to be the dotted path of a function from a request to a user or None.",
            id="realtime.E006",
        )


def _listen_url() -> Iterator[Error]:
    given = conf.get("LISTEN_URL")
    urls = given.values() if isinstance(given, dict) else [] if given is None else [given]
    try:
        for url in urls:
            conninfo_to_dict(url)
    except (ProgrammingError, AttributeError):
        # Neither the value nor what libpq says of it: it may hold a password.
        yield Error(
            "REALTIME['LISTEN_URL'] is not a PostgreSQL URL or connection string.",
            hint="It looks like postgresql://user:password@host:5432/name.",
            id="realtime.E007",
        )


def _retention() -> Iterator[Error]:
    kept = conf.get("RETENTION")
    if not isinstance(kept, dict):
        yield _retention_error(f"is {kept!r}, and has to be a dictionary")
        return
    for stream, by_kind in kept.items():
        if not isinstance(by_kind, (str, dict)):
            yield _retention_error(f"says {by_kind!r} of {stream!r}")
            continue
        try:
            ages = {
                kind: parse_age(age)
                for kind, age in (
                    by_kind if isinstance(by_kind, dict) else {OTHERS: by_kind}
                ).items()
            }
        except (ValueError, TypeError) as error:
            yield _retention_error(f"is wrong about {stream!r}: {error}")
            continue
        for kind, age in ages.items():
            if age > ages.get(OTHERS, age):
                yield _retention_error(
                    f"keeps {kind!r} for longer than {stream!r}, which is pruned as a whole"
                )


def _retention_error(what: str) -> Error:
    return Error(
        f"REALTIME['RETENTION'] {what}.",
        hint="It looks like {'default': {'import': '1d', '*': '90d'}}, or {'*': '90d'}.",
        id="realtime.E012",
    )


def _streams() -> Iterator[Error]:
    names = conf.get("STREAMS")
    is_several = isinstance(names, (list, tuple, dict)) and names
    if not is_several or not all(isinstance(name, str) and name for name in names):
        yield Error(
            f"REALTIME['STREAMS'] is {names!r}, and has to name at least one stream.",
            hint="The default is ['default']; `orders-*` stands for all that begin so. In several "
            "databases: {'orders': 'default', 'orders-west': 'west'}.",
            id="realtime.E013",
        )
    elif isinstance(names, dict):
        for name, alias in names.items():
            if alias not in connections or connections[alias].vendor != "postgresql":
                yield Error(
                    f"REALTIME['STREAMS'] has {name!r} in {alias!r}, which is no PostgreSQL in "
                    "DATABASES.",
                    hint=f"There are {', '.join(map(repr, connections))}.",
                    id="realtime.E016",
                )


def _tenant() -> Iterator[CheckMessage]:
    path = conf.get("TENANT")
    if path is None:
        if apps.is_installed("django_tenants"):
            yield Warning(
                "django-tenants is installed, and REALTIME['TENANT'] isn't set: user 1 of one "
                "tenant is told what is published to user 1 of another.",
                hint="Name a function that returns the tenant's name, such as "
                "connection.schema_name: REALTIME = {'TENANT': 'project.tenants.current'}.",
                id="realtime.W002",
            )
        return
    try:
        found = import_string(path)
    except (ImportError, AttributeError) as error:
        reason = str(error)
    else:
        if callable(found) and not iscoroutinefunction(found):
            if conf.get("TENANT_CONTEXT") is None:
                yield Warning(
                    "REALTIME['TENANT'] is set, and TENANT_CONTEXT isn't: the access of open "
                    "streams is checked outside of any request, and so in no tenant. Their users "
                    "and objects are then looked up in the wrong tables.",
                    hint="Name a context manager that takes the tenant's name and makes it the "
                    "current one: 'TENANT_CONTEXT': 'django_tenants.utils.schema_context'.",
                    id="realtime.W003",
                )
            return
        reason = NO_FUNCTION if not callable(found) else ASYNCHRONOUS
    yield Error(
        f"REALTIME['TENANT'] names {path!r}: {reason}.",
        hint="It has to be the dotted path of a function that returns the name of the tenant.",
        id="realtime.E014",
    )


def check_server(app_configs: Any = None, **kwargs: Any) -> list[Warning]:
    """realtime.W001: runserver serves by WSGI.

    Told by runserver alone: other commands serve nothing, and other servers aren't known.
    """
    is_wsgi = get_commands().get("runserver") in ("django.core", "django.contrib.staticfiles")
    if sys.argv[1:2] != ["runserver"] or not is_wsgi:
        return []
    return [
        Warning(
            "runserver serves by WSGI, where a stream would hold a thread: streams answer 501.",
            hint="pip install daphne; put 'daphne' first in INSTALLED_APPS, and name the ASGI "
            "application: ASGI_APPLICATION = 'project.asgi.application'.",
            id="realtime.W001",
        )
    ]
