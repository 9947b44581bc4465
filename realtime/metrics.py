"""Metrics for Prometheus: `pip install 'django-postgres-realtime[metrics]'`.

    # urls.py
    path("metrics", metrics.show, name="metrics"),

    # settings.py
    REALTIME = {"METRICS_TOKEN": …}     # Prometheus sends it: authorization: {credentials_file: …}

Each process exports its own metrics, so each has to be scraped at an address of its own. If several
share one address, as with `uvicorn --workers`, set `PROMETHEUS_MULTIPROC_DIR` to an empty folder:
then each exports the sums of all, with the others' counts of a few seconds ago
(`hub/shared_counts.py`). Each process also exports the sizes of the tables, which are the same for
all.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from asgiref.sync import sync_to_async
from django.db import Error, connections
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe

from . import conf
from .counts import BUCKETS, Counts, Histogram, counts
from .exceptions import DatabaseUnavailable
from .hub.hub import Hub
from .hub.log_follower import LogFollower
from .log.sql import load

# A scrape may take ten seconds unless Prometheus is told otherwise.
ANSWER_SECONDS = 2.0

NOT_INSTALLED = "Metrics need prometheus-client: pip install 'django-postgres-realtime[metrics]'\n"
NO_TOKEN = "Set REALTIME = {'METRICS_TOKEN': …}, and send it: Authorization: Bearer <token>\n"

SIZES = load("table_sizes")
KINDS = "topics, types of events (of all topics), or everything"

_Sizes = list[tuple[str, int, int]]
# The counts, and the gauges of each process, see Hub.gauges().
_Told = tuple[Counts, list[dict[str, dict[str, float]]]]


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
    told = await _told(hub)
    lags = await asyncio.gather(*map(_lag, hub.followers.values()))
    sizes = {alias: await sync_to_async(_sizes)(alias) for alias in hub.followers}
    registry = CollectorRegistry()
    registry.register(_Collector(hub, told, dict(zip(hub.followers, lags, strict=True)), sizes))
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(
        encode(registry), content_type=content_type, headers={"Cache-Control": "no-store"}
    )


show.skips_middleware = True  # type: ignore[attr-defined]  # for realtime.asgi


async def _told(hub: Hub) -> _Told:
    """The counts and gauges of this process and of the others behind its port."""
    if hub.shared_counts is None:
        return counts, [hub.gauges()]
    total = Counts(is_on=True)
    others, counted = await asyncio.to_thread(hub.shared_counts.others)
    for one in (counts.as_dict(), *counted):
        total.add(one)
    return total, [hub.gauges(), *others]


async def _lag(follower: LogFollower) -> float | None:
    """See `LogFollower.measure_lag`; None if the database is away."""
    try:
        return await follower.measure_lag(seconds=ANSWER_SECONDS)
    except DatabaseUnavailable:
        return None


def _sizes(database: str) -> _Sizes:
    """Each table's name, approximate number of rows, and bytes. Empty if the database is away."""
    connection = connections[database]
    try:
        with connection.cursor() as cursor:
            cursor.execute(SIZES)
            rows: _Sizes = cursor.fetchall()
            return rows
    except Error:
        return []
    finally:
        # The thread pool keeps this thread; the connection would stay open for as long.
        connection.close()


class _Collector:
    """The metrics of one scrape. lags, sizes: by the alias of the database."""

    def __init__(
        self, hub: Hub, told: _Told, lags: dict[str, float | None], sizes: dict[str, _Sizes]
    ) -> None:
        self._hub = hub
        self._counts, self._gauges = told
        self._lags = lags
        self._sizes = sizes

    def collect(self) -> Iterator[Any]:
        yield from self._streams()
        yield from self._events()
        yield from self._durations()
        yield from self._state()

    def _streams(self) -> Iterator[Any]:
        counts = self._counts
        open_streams: Counter[str] = Counter()
        for gauges in self._gauges:
            open_streams.update(gauges["open"])
        yield _metric(
            "gauge",
            "realtime_streams_open",
            f"Streams that are open, by what they follow: {KINDS}.",
            ["kind"],
            open_streams,
        )
        yield _metric(
            "counter",
            "realtime_streams_opened",
            f"Streams opened, by what they follow: {KINDS}.",
            ["kind"],
            counts.opened,
        )
        yield _metric(
            "counter",
            "realtime_streams_rejected",
            "Requests that got no stream, by the status of the answer and the reason.",
            ["status", "reason"],
            counts.rejected,
        )
        yield _metric(
            "counter",
            "realtime_streams_ended",
            "Streams that ended, by reason: the client left, access ended, the process drains, …",
            ["reason"],
            counts.ended,
        )
        yield _metric(
            "counter",
            "realtime_resets",
            "Clients told that their cursor can't be honoured, by reason.",
            ["reason"],
            counts.resets,
        )

    def _events(self) -> Iterator[Any]:
        counts = self._counts
        yield _metric(
            "counter",
            "realtime_events_published",
            "Events that server processes have written, including rolled back ones.",
            ["stream"],
            counts.published,
        )
        yield _metric(
            "counter",
            "realtime_events_numbered",
            "Events that this process has given their positions.",
            ["stream"],
            counts.numbered,
        )
        yield _metric(
            "counter",
            "realtime_events_delivered",
            "Events sent to clients, counted once for each client.",
            [],
            {"": counts.delivered_events},
        )
        yield _metric(
            "counter",
            "realtime_delivered_bytes",
            "Bytes of those events.",
            [],
            {"": counts.delivered_bytes},
        )
        yield _metric(
            "counter",
            "realtime_replays",
            "Batches of events that clients had missed, by the server asked: primary or standby.",
            ["server"],
            counts.replays,
        )
        yield _metric(
            "counter",
            "realtime_replays_failed",
            "Batches that could not be read from the table.",
            [],
            {"": counts.failed_replays},
        )

    def _durations(self) -> Iterator[Any]:
        counts = self._counts
        yield _histogram(
            "realtime_insert_to_number_seconds",
            "For the oldest event of a batch: from the insertion of its row, which is before the "
            "commit, to its position, by the database's clock.",
            counts.insert_to_number_seconds,
        )
        yield _histogram(
            "realtime_insert_to_write_seconds",
            "From the same insertion to the write to the clients of a process that keep up.",
            counts.insert_to_write_seconds,
        )
        yield _histogram(
            "realtime_number_seconds",
            "How long it took to number a batch of events.",
            counts.number_seconds,
        )
        yield _histogram(
            "realtime_write_seconds",
            "From reading a batch of events to having written it to the clients that keep up.",
            counts.write_seconds,
        )
        yield _histogram(
            "realtime_replay_seconds",
            "How long it took to read a batch of missed events from the table.",
            counts.replay_seconds,
        )

    def _state(self) -> Iterator[Any]:
        for name, said in (
            ("connected", "Whether every process can reach the event log."),
            ("listening", "Whether notifications arrive; otherwise events are found by polling."),
        ):
            least = {
                alias: min(gauges[name].get(alias, 0.0) for gauges in self._gauges)
                for alias in self._hub.followers
            }
            yield _metric("gauge", f"realtime_hub_{name}", said, ["database"], least)
        yield _metric(
            "gauge", "realtime_processes", "Processes in these sums.", [], {"": len(self._gauges)}
        )
        yield _metric(
            "gauge",
            "realtime_lag_seconds",
            "The age of the oldest event that waits for its position.",
            ["database"],
            {alias: lag for alias, lag in self._lags.items() if lag is not None},
        )
        for name, said, column in (
            ("rows", "PostgreSQL's estimate of a table's number of rows.", 1),
            ("bytes", "The size of a table with its indexes.", 2),
        ):
            values = {
                f"{row[0]} {alias}": float(row[column])
                for alias, rows in self._sizes.items()
                for row in rows
            }
            yield _metric("gauge", f"realtime_table_{name}", said, ["table", "database"], values)


def _metric(
    kind: str, name: str, documentation: str, labels: list[str], values: Mapping[str, float]
) -> Any:
    """A gauge or counter. values: by its labels' values, joined by a space."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    family: Any = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
    metric = family(name, documentation, labels=labels)
    for texts, number in values.items():
        metric.add_metric(texts.split(" ", len(labels) - 1) if labels else [], number)
    return metric


def _histogram(name: str, documentation: str, histogram: Histogram) -> Any:
    from prometheus_client.core import HistogramMetricFamily

    total, buckets = 0, []
    for end, count in zip((*map(str, BUCKETS), "+Inf"), histogram.counts, strict=True):
        total += count
        buckets.append((end, total))
    return HistogramMetricFamily(name, documentation, buckets=buckets, sum_value=histogram.sum)
