"""Metrics for Prometheus: `pip install 'django-postgres-realtime[metrics]'`.

    # urls.py
    path("metrics", metrics.show, name="metrics"),

    # settings.py
    REALTIME = {"METRICS_TOKEN": …}     # Prometheus sends it: authorization: {credentials_file: …}

Each process tells of itself, so each is scraped by an address of its own. What is the same for all,
the sizes of the tables, is told by all.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from asgiref.sync import sync_to_async
from django.db import Error, connections
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe

from . import conf
from .counts import BUCKETS, Histogram, counts
from .exceptions import DatabaseUnavailable
from .hub.hub import Hub
from .log.sql import load

# A scrape may take ten seconds unless Prometheus is told otherwise.
ANSWER_SECONDS = 2.0

NOT_INSTALLED = "Metrics need prometheus-client: pip install 'django-postgres-realtime[metrics]'\n"
NO_TOKEN = "Set REALTIME = {'METRICS_TOKEN': …}, and send it: Authorization: Bearer <token>\n"

SIZES = load("table_sizes")


@require_safe
async def show(request: HttpRequest) -> HttpResponse:
    """200 and the metrics; 401 without the token; 501 if prometheus-client isn't installed."""
    token = conf.get("METRICS_TOKEN")
    sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not token or not constant_time_compare(sent, token):
        headers = {"WWW-Authenticate": 'Bearer realm="metrics"', "Cache-Control": "no-store"}
        return HttpResponse(NO_TOKEN, status=401, content_type="text/plain", headers=headers)
    try:
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import choose_encoder
    except ModuleNotFoundError:
        return HttpResponse(NOT_INSTALLED, status=501, content_type="text/plain")
    hub = Hub.current()
    try:
        lag = await hub.measure_lag(seconds=ANSWER_SECONDS)
    except DatabaseUnavailable:
        lag = None
    registry = CollectorRegistry()
    registry.register(_Collector(hub, lag, await sync_to_async(_sizes)()))
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(
        encode(registry), content_type=content_type, headers={"Cache-Control": "no-store"}
    )


show.skips_middleware = True  # type: ignore[attr-defined]  # for realtime.asgi


def _sizes() -> list[tuple[str, int, int]]:
    """Of each table: its name, about how many rows, and bytes. Empty if the database is away."""
    connection = connections[conf.get("DATABASE")]
    try:
        with connection.cursor() as cursor:
            cursor.execute(SIZES)
            rows: list[tuple[str, int, int]] = cursor.fetchall()
            return rows
    except Error:
        return []
    finally:
        # The thread is kept for later; a session of PostgreSQL is not.
        connection.close()


class _Collector:
    """What is asked for at one scrape."""

    def __init__(self, hub: Hub, lag: float | None, sizes: list[tuple[str, int, int]]) -> None:
        self._hub = hub
        self._lag = lag
        self._sizes = sizes

    def collect(self) -> Iterator[Any]:
        yield from self._streams()
        yield from self._events()
        yield from self._state()

    def _streams(self) -> Iterator[Any]:
        yield _gauge(
            "realtime_streams_open", "Streams that are open.", "kind", self._hub.streams.by_kind()
        )
        yield _counter(
            "realtime_streams_opened", "Streams that were opened.", "kind", counts.opened
        )
        yield _counter(
            "realtime_streams_rejected",
            "Requests that got no stream, by the status they were answered with.",
            "status",
            {str(status): count for status, count in counts.rejected.items()},
        )
        yield _counter(
            "realtime_streams_ended",
            "Streams that ended, by who ended them: client or server.",
            "by",
            counts.ended,
        )
        yield _counter(
            "realtime_streams_hung_up", "Clients that stopped reading.", value=counts.hung_up
        )

    def _events(self) -> Iterator[Any]:
        yield _counter(
            "realtime_events_published",
            "Events that this process has written, rolled back ones among them.",
            "stream",
            counts.published,
        )
        yield _counter(
            "realtime_events_numbered",
            "Events that this process has given their positions.",
            "stream",
            counts.numbered,
        )
        yield _counter(
            "realtime_events_delivered",
            "Events given to clients, once for each client.",
            value=counts.delivered_events,
        )
        yield _counter(
            "realtime_delivered_bytes", "Bytes of those events.", value=counts.delivered_bytes
        )
        yield _counter(
            "realtime_resets",
            "Clients told that their cursor can't be honoured, by reason.",
            "reason",
            counts.resets,
        )
        yield _histogram(
            "realtime_number_seconds",
            "How long it took to number a batch of events.",
            counts.number_seconds,
        )
        yield _histogram(
            "realtime_write_seconds",
            "From having read events to having written them to the clients that keep up.",
            counts.write_seconds,
        )
        yield _histogram(
            "realtime_replay_seconds",
            "How long a batch of what a client missed took to read from the table.",
            counts.replay_seconds,
        )
        yield _counter(
            "realtime_replays",
            "Batches of what clients missed, by who was asked: primary or standby.",
            "server",
            counts.replays,
        )
        yield _counter(
            "realtime_replays_failed",
            "Batches that could not be read from the table.",
            value=counts.failed_replays,
        )

    def _state(self) -> Iterator[Any]:
        state = self._hub.state
        yield _gauge(
            "realtime_hub_connected",
            "Whether the event log can be reached.",
            value=int(state.away is None and state.seconds_since_answer is not None),
        )
        yield _gauge(
            "realtime_hub_listening",
            "Whether notifications are heard; else events are found by looking.",
            value=int(state.listening_since is not None),
        )
        if self._lag is not None:
            yield _gauge(
                "realtime_lag_seconds",
                "The age of the oldest event that waits for its position.",
                value=self._lag,
            )
        yield _gauge(
            "realtime_table_rows",
            "About how many rows a table has, as PostgreSQL estimates.",
            "table",
            {table: rows for table, rows, _ in self._sizes},
        )
        yield _gauge(
            "realtime_table_bytes",
            "How large a table is, with its indexes.",
            "table",
            {table: size for table, _, size in self._sizes},
        )


def _counter(
    name: str,
    documentation: str,
    label: str | None = None,
    values: Mapping[str, float] | None = None,
    *,
    value: float | None = None,
) -> Any:
    from prometheus_client.core import CounterMetricFamily

    return _fill(CounterMetricFamily, name, documentation, label, values, value)


def _gauge(
    name: str,
    documentation: str,
    label: str | None = None,
    values: Mapping[str, float] | None = None,
    *,
    value: float | None = None,
) -> Any:
    from prometheus_client.core import GaugeMetricFamily

    return _fill(GaugeMetricFamily, name, documentation, label, values, value)


def _fill(
    family: Any,
    name: str,
    documentation: str,
    label: str | None,
    values: Mapping[str, float] | None,
    value: float | None,
) -> Any:
    if label is None:
        return family(name, documentation, value=value)
    metric = family(name, documentation, labels=[label])
    for text, number in (values or {}).items():
        metric.add_metric([text], number)
    return metric


def _histogram(name: str, documentation: str, histogram: Histogram) -> Any:
    from prometheus_client.core import HistogramMetricFamily

    total, buckets = 0, []
    for end, count in zip((*map(str, BUCKETS), "+Inf"), histogram.counts, strict=True):
        total += count
        buckets.append((end, total))
    return HistogramMetricFamily(name, documentation, buckets=buckets, sum_value=histogram.sum)
