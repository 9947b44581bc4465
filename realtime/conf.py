"""The settings of this app: `REALTIME = {…}` in the project's settings, over these defaults."""

from fnmatch import fnmatchcase
from typing import Any

from django.conf import settings

DEFAULTS: dict[str, Any] = {
    # Alias of the database that holds the event log.
    "DATABASE": "default",
    # The names of its streams: one that isn't listed is refused, for it is most likely misspelt.
    # `orders-*` stands for all that begin so. With an alias each, they are in several databases:
    # {"orders": "default", "orders-west": "west"}, each beside the rows that its events tell of.
    "STREAMS": ["default"],
    # Dotted path of a function that returns the name of the tenant of now: it becomes a part of
    # each topic, so that user 1 of one tenant is not user 1 of another.
    "TENANT": None,
    # Dotted path of a context manager that takes such a name and makes it the tenant of now: access
    # is looked at again in it. django-tenants has one: "django_tenants.utils.schema_context".
    "TENANT_CONTEXT": None,
    # The longest data of an event, in bytes of UTF-8.
    "MAX_EVENT_BYTES": 1024 * 1024,
    # A libpq connection string or URL for the LISTEN connection, where the database above is
    # reached through PgBouncer in transaction mode, which swallows LISTEN. Of several databases
    # {"alias": "postgresql://…"}.
    "LISTEN_URL": None,
    # Who may be asking, tried in this order: functions from a request to a user or None.
    "AUTHENTICATION": [
        "realtime.access.authentication.bearer_token",
        "realtime.access.authentication.token_cookie",
        "realtime.access.authentication.session",
    ],
    # How often the hub looks into the tables without being told to: what a lost hint costs.
    "POLL_SECONDS": 5.0,
    # A query, or a connection that is silent for longer than a poll, is given up after this.
    "QUERY_SECONDS": 10.0,
    # How often each open stream is looked at, whether its user still may read it, without being
    # told to: what a lost hint costs, and what is changed behind Django's back.
    "ACCESS_CHECK_SECONDS": 10.0,
    # How often an open stream gets a sign of life: so that nothing between here and there closes
    # it, and that a page whose stream has died without a word can tell. live_stream.js has to know.
    "HEARTBEAT_SECONDS": 15,
    # A client that takes nothing for so many heartbeats is hung up on.
    "STALLED_HEARTBEATS": 4,
    # A client waits for a random time in this range before it reconnects: after a restart they
    # do not come back all at once.
    "RETRY_MILLISECONDS": (1000, 4000),
    # How many streams a process, and one user in it, may have open at a time.
    "MAX_STREAMS": 10_000,
    "MAX_STREAMS_PER_USER": 50,
    # How many of them visitors may have who aren't signed in: all together, so that they never take
    # every place, and from one address on one view.
    "MAX_ANONYMOUS_STREAMS": 5_000,
    "MAX_STREAMS_PER_ADDRESS": 20,
    # Who would have one too many is asked to come back after a random time in this range.
    "COME_BACK_SECONDS": (5, 30),
    # On SIGTERM open streams are closed one after the other over this time.
    "DRAIN_SECONDS": 5.0,
    # How many recent events, and bytes of them, a process keeps in memory for each stream.
    "RECENT_EVENTS": 10_000,
    "RECENT_BYTES": 16 * 1024 * 1024,
    # How many stream requests Django works on at a time, each on a thread of its own; the others
    # wait without one. Open streams hold none.
    "REQUEST_THREADS": 4,
    # How long events are kept: by stream (“*”: all the others), and within it by the kind of their
    # topics, as {"default": {"import": "1d", "*": "90d"}} or {"*": "90d"}. What is named by neither
    # is kept for ever.
    "RETENTION": {},
    # Whether the processes that serve prune by it, every so many seconds; else it takes a nightly
    # `manage.py prune_events`.
    "PRUNE": True,
    "PRUNE_SECONDS": 600.0,
    # What Prometheus has to send to see the metrics, see metrics.py; None: nobody sees them.
    "METRICS_TOKEN": None,
    # How many replays may query the database at a time.
    "REPLAY_CONNECTIONS": 2,
    # Alias of a standby of that database, which is asked first for replays; of several databases
    # {"alias": "alias of its standby"}. What it doesn't have yet the primary is asked for.
    "REPLAY_DATABASE": None,
}


def get(name: str) -> Any:
    """The value in force of one setting. Raises KeyError for a name that isn't one."""
    default = DEFAULTS[name]
    return getattr(settings, "REALTIME", {}).get(name, default)


def replay_database(database: str) -> str | None:
    """The alias of a standby of this database, if there is one for replays."""
    alias = get("REPLAY_DATABASE")
    if isinstance(alias, dict):
        return alias.get(database)
    return alias if database == get("DATABASE") else None


def listen_url(database: str) -> str | None:
    """The connection string for LISTEN on this database, if it takes one of its own."""
    url = get("LISTEN_URL")
    if isinstance(url, dict):
        return url.get(database)
    return url if database == get("DATABASE") else None


def streams() -> dict[str, str]:
    """The names of the streams, or patterns of them, and of each the alias of its database."""
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
    """The name or pattern in STREAMS that fits: the name itself, else the first pattern."""
    names = get("STREAMS")
    if stream in names:
        return stream
    return next((pattern for pattern in names if fnmatchcase(stream, pattern)), None)
