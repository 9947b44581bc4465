"""System checks for `manage.py check --deploy`: what production would miss."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.checks import Warning
from django.db import DatabaseError, connections
from django.utils.module_loading import import_string

from . import conf


def check_deployment(app_configs: Any = None, **kwargs: Any) -> list[Warning]:
    """realtime.W101 to W108, for `manage.py check --deploy`: what production would miss."""
    return [
        *_application(),
        *_server(),
        *_no_retention(),
        *_pooler(),
        *_tables(),
        *_static_files(),
    ]


def _application() -> Iterator[Warning]:
    from . import asgi

    path = getattr(settings, "ASGI_APPLICATION", None)
    if not path:
        yield Warning(
            "ASGI_APPLICATION isn't set: under WSGI each open stream would hold a process or a "
            "thread, so streams are refused there.",
            hint="Serve the streams by an ASGI server, and name its application in "
            "ASGI_APPLICATION. The pages may be served by any server.",
            id="realtime.W101",
        )
        return
    try:
        import_string(path)
    except Exception as error:
        yield Warning(
            f"ASGI_APPLICATION is {path!r}, which can't be imported: {error}", id="realtime.W102"
        )
        return
    if not asgi.is_used():
        yield Warning(
            f"The ASGI application {path!r} isn't wrapped: each open stream holds a thread, and "
            "with it a database connection.",
            hint="from realtime.asgi import outlive_request; "
            "application = outlive_request(get_asgi_application()).",
            id="realtime.W102",
        )


# The limitations of other servers, see tests/deploy/test_other_servers.py.
OTHER_SERVERS = {
    "granian": "a client that stops reading is never cut off, and costs memory until it leaves",
    "hypercorn": "when it ends it cuts all its streams at once instead of one after the other, and "
    "over HTTP/2 a client that stops reading is never cut off",
}


def _server() -> Iterator[Warning]:
    """The server that will run isn't known, but one that isn't installed won't run."""
    if find_spec("uvicorn") or find_spec("daphne"):
        return
    for name, missing in OTHER_SERVERS.items():
        if find_spec(name):
            yield Warning(
                f"Neither uvicorn nor daphne is installed, and {name} has a limitation: {missing}.",
                hint="pip install uvicorn, or silence this if you can accept it. No event is "
                "lost either way.",
                id="realtime.W108",
            )


def _no_retention() -> Iterator[Warning]:
    if not conf.get("RETENTION"):
        yield Warning(
            "REALTIME['RETENTION'] isn't set: the event log grows for ever.",
            hint="REALTIME = {'RETENTION': {'*': '90d'}}; or prune it by a nightly `manage.py "
            "prune_events --older-than 90d`, and silence this.",
            id="realtime.W103",
        )


def _pooler() -> Iterator[Warning]:
    for alias in _databases():
        if conf.listen_url(alias) is not None:
            continue
        connection = connections[alias]
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                [backend_pid] = cursor.fetchone()
                is_pooled = backend_pid != connection.connection.info.backend_pid
        except DatabaseError:
            continue  # away: that shows elsewhere
        if is_pooled:
            yield Warning(
                f"The database {alias!r} is reached through a pooler, such as PgBouncer. In "
                "transaction mode it swallows LISTEN, and events come seconds late.",
                hint="Give the listener a direct connection: REALTIME = {'LISTEN_URL': "
                "'postgresql://…'}. If the pooler is in session mode, silence this.",
                id="realtime.W104",
            )


def _tables() -> Iterator[Warning]:
    for alias in _databases():
        try:
            with connections[alias].cursor() as cursor:
                cursor.execute("SELECT to_regclass('realtime_outbox') IS NULL")
                [is_missing] = cursor.fetchone()
        except DatabaseError:
            continue
        if is_missing:
            yield Warning(
                f"The database {alias!r} has no tables of the event log.",
                hint=f"manage.py migrate realtime --database={alias}",
                id="realtime.W107",
            )


def _databases() -> list[str]:
    """The aliases of the databases that have an event log and are PostgreSQL."""
    return [
        alias
        for alias in conf.databases()
        if alias in connections and connections[alias].vendor == "postgresql"
    ]


def _static_files() -> Iterator[Warning]:
    from django.contrib.staticfiles.storage import HashedFilesMixin, staticfiles_storage

    storage = staticfiles_storage
    if not isinstance(storage, HashedFilesMixin):
        yield Warning(
            "Static files have no hash in their names: after an update browsers go on using their "
            "old scripts, which may not work with the new server.",
            hint="STORAGES = {'staticfiles': {'BACKEND': …}} with a ManifestStaticFilesStorage or "
            "WhiteNoise's.",
            id="realtime.W105",
        )
    elif not storage.support_js_module_import_aggregation:
        yield Warning(
            f"{type(storage).__name__} puts a hash into the names of scripts, but doesn't change "
            "the names in their imports: after an update a page would mix old and new scripts.",
            hint="Subclass it with support_js_module_import_aggregation = True.",
            id="realtime.W106",
        )
