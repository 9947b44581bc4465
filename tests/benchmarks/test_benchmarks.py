"""That the benchmark still runs and counts right; how fast things are is for the benchmark."""

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from benchmarks import machine, places, placing, report
from benchmarks.contestants import PEERS
from benchmarks.cores import Cores
from benchmarks.database import Database
from benchmarks.measurements import delivery, idle, storm
from benchmarks.plan import PLANS
from benchmarks.processes import DidNotStart, running
from benchmarks.results import Results
from benchmarks.site import Ours, ours
from benchmarks.streams import Streams, streams_to
from benchmarks.suite import Suite
from benchmarks.targets import TARGETS
from orders.models import Order
from realtime.models import OutboxEvent

from ..servers import database_url

CORES = Cores.of_this_machine()

pytestmark = [
    pytest.mark.usefixtures("processes"),
    pytest.mark.skipif(
        not (shutil.which("cc") or shutil.which("gcc")),
        reason="the load generator needs a C compiler",
    ),
]


@pytest.fixture(scope="session", autouse=True)
def kept(tmp_path_factory) -> Iterator[Path]:
    """Not among what the benchmark itself keeps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(places, "KEPT", tmp_path_factory.mktemp("benchmarks"))
        yield places.KEPT


@pytest.fixture
def database(transactional_db) -> Database:
    return Database(database_url(), None)


@pytest.fixture
def site(database) -> Iterator[Ours]:
    with ours(database, "daphne", CORES.server) as running_site:
        yield running_site


@pytest.fixture
def streams(site) -> Iterator[Streams]:
    with streams_to(site.port, CORES.load) as program:
        yield program


def test_it_counts_each_delivery_to_each_stream(site, streams):
    streams.open(site.requests(7))

    delivered = delivery.measure(site, streams, 50, 0.4, readers=7)

    assert delivered.arrived == delivered.expected == 20 * 7
    assert delivered.in_time
    assert 0 < delivered.p50_ms <= delivered.p99_ms <= delivered.slowest_ms


def test_it_sees_what_is_lost(site, streams, monkeypatch):
    monkeypatch.setattr(delivery, "LATE_SECONDS", 0.3)
    monkeypatch.setattr(delivery, "LOST_SECONDS", 0.1)
    streams.open(site.requests(3))

    # Told of one reader more than there are.
    delivered = delivery.measure(site, streams, 20, 0.1, readers=4)

    assert delivered.lost == 2
    assert not delivered.in_time


def test_it_sees_what_comes_twice(site, streams):
    streams.open(site.requests(2))
    site.publish(10, 0.3)
    assert streams.wait_for(2 * 3, 5).doubled == 0
    OutboxEvent.objects.bulk_create(
        OutboxEvent(stream="default", topic="once:more", type="orders", data=event)
        for event in _first_of_the_log(1)
    )
    with connection.cursor() as sql:
        sql.execute("NOTIFY realtime_pending, 'default'")

    assert streams.wait_for(2, 5).doubled == 2


def _first_of_the_log(count: int) -> list[str]:
    with connection.cursor() as sql:
        sql.execute(
            "SELECT data FROM realtime_event WHERE stream = 'default' ORDER BY position LIMIT %s",
            [count],
        )
        return [data for (data,) in sql.fetchall()]


def test_it_counts_the_threads_and_sessions_of_a_server(site, streams, monkeypatch):
    monkeypatch.setattr(idle, "SETTLE_SECONDS", 0.1)

    found = idle.measure(site, streams, 12, cpu_seconds=0.1)

    # How many there may be is for tests/realtime; here, that they are the server's and not ours.
    assert found.threads_few == found.threads_many > 1
    assert 2 <= found.sessions_many < 12


def test_orders_placed_in_sql_are_those_that_the_orm_places(alice, transactional_db):
    placing.in_sql(1, [alice])
    placing.order(alice).save()

    in_sql, through_orm = (
        {
            field: value
            for field, value in Order.objects.filter(pk=order.pk).values().get().items()
            if field not in ("id", "product", "placed_at")
        }
        for order in Order.objects.order_by("pk")
    )
    assert in_sql == through_orm
    # The ORM writes a notification beside it, for the customer's bell.
    events = list(OutboxEvent.objects.filter(type="orders").order_by("pk"))
    assert len({(event.stream, event.type, event.topic) for event in events}) == 1
    data_in_sql, data_through_orm = (json.loads(event.data) for event in events)
    assert data_in_sql.keys() == data_through_orm.keys()
    for field in data_in_sql.keys() - {"order", "product", "placed_at", "changed_at"}:
        assert data_in_sql[field] == data_through_orm[field]
    for field in ("placed_at", "changed_at"):
        assert len(data_in_sql[field]) == len(data_through_orm[field])


def test_a_run_leaves_figures_a_page_and_plots(database, tmp_path):
    run(database, tmp_path, sites=("ours-daphne",), parts=("customers", "storm"))

    page = (tmp_path / "tiny.md").read_text()
    assert "reconnect storm, from the table" in page
    assert "reconnect storm, what is recent" in page
    assert (tmp_path / "tiny-storm.svg").read_text().startswith("<svg")


@pytest.mark.slow
def test_a_whole_run_leaves_a_value_for_every_target(database, tmp_path):
    results = run(
        database,
        tmp_path,
        customer_rates=(500, 3000),
        checkout_rates=(None, 100),
        lone_rates=(None, 20),
        disks=(0, 1),
        log_events=(10_000, 20_000),
    )

    assert all(target.value(results, "ours-daphne") is not None for target in TARGETS)


def run(database: Database, folder: Path, **changes) -> Results:
    plan = dataclasses.replace(PLANS["tiny"], **changes)
    results = Results(machine.description("18"), plan.name)
    for step in Suite(plan, database, CORES, results, say=lambda text: None).steps():
        step.run()
    report.write(results, folder)
    assert Results.read(folder / "tiny.json").figures == results.figures
    return results


@pytest.mark.parametrize("name", PEERS)
def test_each_peer_delivers_what_is_published(name):
    peer = PEERS[name]
    if cure := peer.missing():
        pytest.skip(f"not installed ({cure})")
    with (
        peer.start(CORES.server, peer.replays) as site,
        streams_to(site.port, CORES.load) as streams,
    ):
        streams.open(site.requests(3))

        delivered = delivery.measure(site, streams, 20, 0.2, readers=3)

    assert delivered.arrived == 4 * 3
    assert delivered.lost == 0


def test_a_server_that_does_not_start_is_an_error_with_its_own_words():
    with (
        pytest.raises(DidNotStart, match="no such thing"),
        running("dead", ["sh", "-c", "echo no such thing; exit 3"], cores=CORES.load, port=9),
    ):
        pytest.fail("It runs.")


def test_nothing_runs_on_after_the_block():
    with running("sleeper", ["sleep", "60"], cores=CORES.load) as process:
        assert not process.has_ended
    assert process.has_ended


def test_a_storm_in_which_somebody_gets_nothing_has_no_figure(site, streams, monkeypatch):
    monkeypatch.setattr(storm, "GIVE_UP_SECONDS", 0.3)

    with pytest.raises(storm.Incomplete, match="0 of 4 missed events"):
        storm.come_back(streams, site.requests(2, after=site.cursor()), 2)
