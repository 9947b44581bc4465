"""The settings of this app. `REALTIME = {…}` in the project's settings overrides these defaults."""

from fnmatch import fnmatchcase
from typing import Any

from django.conf import settings

DEFAULTS: dict[str, Any] = {
    # Alias of the database that holds the event log.
    "DATABASE": "default",
    # The names of its streams. Another name is refused, because it is most likely misspelt.
    # `orders-*` stands for all names that begin so. A dictionary puts streams into several
    # databases,
    # each beside the rows that its events tell of: {"orders": "default", "orders-west": "west"}.
    "STREAMS": ["default"],
    # Dotted path of a function that returns the name of the current tenant. The name becomes a part
    # of each topic, so that user 1 of one tenant is not user 1 of another.
    "TENANT": None,
    # Dotted path of a context manager that takes a tenant's name and makes that tenant the current
    # one. The access of open streams is checked in it. django-tenants has one:
    # "django_tenants.utils.schema_context".
    "TENANT_CONTEXT": None,
    # The longest data of an event, in bytes of UTF-8.
    "MAX_EVENT_BYTES": 1024 * 1024,
    # A libpq connection string or URL for the LISTEN connection. It is needed if the database is
    # reached through PgBouncer in transaction mode, which swallows LISTEN. For several databases:
    # {"alias": "postgresql://…"}.
    "LISTEN_URL": None,
    # Dotted paths of functions that return the user of a request or None, tried in this order.
    "AUTHENTICATION": [
        "realtime.access.authentication.bearer_token",
        "realtime.access.authentication.token_cookie",
        "realtime.access.authentication.session",
    ],
    # How often the hub polls the tables without a notification. A lost notification delays an event
    # by this at most.
    "POLL_SECONDS": 5.0,
    # How long to wait for the answer to a query before the connection is given up.
    "QUERY_SECONDS": 10.0,
    # How often the access of each open stream is checked without a notification. A lost
    # notification, or a change that Django doesn't notice, takes effect within this time.
    "ACCESS_CHECK_SECONDS": 10.0,
    # How often an open stream sends a heartbeat. It keeps proxies from closing the stream, and lets
    # a page notice that its stream is dead. live_stream.js has to be given the same number.
    "HEARTBEAT_SECONDS": 15,
    # A client that reads nothing for so many heartbeats is cut off.
    "STALLED_HEARTBEATS": 4,
    # A client waits for a random time in this range before it reconnects, so that after a restart
    # clients do not come back all at once.
    "RETRY_MILLISECONDS": (1000, 4000),
    # How many streams a process, and one user in it, may have open at a time.
    "MAX_STREAMS": 10_000,
    "MAX_STREAMS_PER_USER": 50,
    # How many streams visitors who aren't signed in may have: all together, so that they never take
    # every place, and from one address on one view.
    "MAX_ANONYMOUS_STREAMS": 5_000,
    "MAX_STREAMS_PER_ADDRESS": 20,
    # A client above a limit is asked to come back after a random time in this range.
    "COME_BACK_SECONDS": (5, 30),
    # On SIGTERM open streams are closed one after the other over this time.
    "DRAIN_SECONDS": 5.0,
    # How many recent events, and bytes of them, a process keeps in memory for each stream.
    "RECENT_EVENTS": 10_000,
    "RECENT_BYTES": 16 * 1024 * 1024,
    # How many stream requests Django works on at a time, each on a thread of its own. Others wait
    # without a thread, and open streams need none.
    "REQUEST_THREADS": 4,
    # How long events are kept: by stream (“*”: all others), and within a stream by kind of topic,
    # as {"default": {"import": "1d", "*": "90d"}} or {"*": "90d"}. Events without an entry are kept
    # for ever.
    "RETENTION": {},
    # Whether serving processes prune by RETENTION, every so many seconds. Otherwise run
    # `manage.py prune_events` each night.
    "PRUNE": True,
    "PRUNE_SECONDS": 600.0,
    # The token that Prometheus has to send to see the metrics, see metrics.py; None: nobody may.
    "METRICS_TOKEN": None,
    # How many replays may query the database at a time.
    "REPLAY_CONNECTIONS": 2,
    # Alias of a standby of the database, which is asked first for replays. The primary is asked for
    # events that the standby doesn't have yet. For several databases: {"alias": "its standby"}.
    "REPLAY_DATABASE": None,
}


def get(name: str) -> Any:
    """The value of a setting, or its default. Raises KeyError if there is no such setting."""
    default = DEFAULTS[name]
    return getattr(settings, "REALTIME", {}).get(name, default)


def replay_database(database: str) -> str | None:
    """The alias of a standby of this database, if there is one for replays."""
    alias = get("REPLAY_DATABASE")
    if isinstance(alias, dict):
        return alias.get(database)
    return alias if database == get("DATABASE") else None


def listen_url(database: str) -> str | None:
    """The connection string for LISTEN on this database, if it has one of its own."""
    url = get("LISTEN_URL")
    if isinstance(url, dict):
        return url.get(database)
    return url if database == get("DATABASE") else None


def streams() -> dict[str, str]:
    """The alias of the database of each stream, by the stream's name or pattern."""
    names = get("STREAMS")
    return dict(names) if isinstance(names, dict) else dict.fromkeys(names, get("DATABASE"))


def has_stream(name: str) -> bool:
    """Whether there is a stream of this name."""
    return _pattern_of(name) is not None


def database_of(stream: str) -> str:
    """The alias of the database that a stream is in."""
    names = get("STREAMS")
    pattern = _pattern_of(stream) if isinstance(names, dict) else None
    return str(get("DATABASE") if pattern is None else names[pattern])


def databases() -> list[str]:
    """The aliases of all databases with an event log: REALTIME["DATABASE"], and others."""
    return list(dict.fromkeys([get("DATABASE"), *streams().values()]))


def _pattern_of(stream: str) -> str | None:
    """The entry of STREAMS for a stream: its name, otherwise the first pattern that matches."""
    names = get("STREAMS")
    if stream in names:
        return stream
    return next((pattern for pattern in names if fnmatchcase(stream, pattern)), None)
