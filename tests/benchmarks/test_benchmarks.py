"""That the benchmark still runs and counts right; how fast things are is for the benchmark."""

import json
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from benchmarks import machine, nchan, page, parts, streams, trees
from benchmarks.database import Database
from benchmarks.machine import ROOT, Cores, DidNotStart, running
from benchmarks.parts import PARTS, PEER_PARTS, Incomplete, Sizes
from benchmarks.results import Results, Step
from benchmarks.streams import streams_to
from benchmarks.trees import Server, Tree, WorkerFailed

from ..emptying import log_kept
from ..servers import database_url

CORES = Cores.of_this_machine()
TINY = Sizes().times(0.005)
# What each part measures.
KEYS = {
    "opening": {"opened", "opened_all"},
    "delivery": {"p50", "p99"},
    "storm": {"storm_recent", "storm_table"},
    "idle": {"kilobytes", "cpu", "pause"},
    "checkout": {"lone", "lone_ms", "lone_flat_out", "lone_flat_out_ms", "writers"},
}
NEED_NO_FRESH_SERVER = {"opening", "delivery"}

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
    folder = tmp_path_factory.mktemp("benchmarks")
    with pytest.MonkeyPatch.context() as patch:
        for module in (machine, streams, trees):
            patch.setattr(module, "KEPT", folder)
        patch.setattr(parts, "SETTLE_SECONDS", 0.1)
        yield folder


@pytest.fixture(scope="module")
def one_tree(django_db_setup, django_db_blocker) -> Iterator[Tree]:
    """To migrate and to start a worker takes two seconds of a core."""
    with django_db_blocker.unblock():
        tree = Tree("this", ROOT, Database(database_url(), None), CORES)
        with log_kept():
            yield tree
            tree.close()


@pytest.fixture
def tree(transactional_db, one_tree) -> Tree:
    """Its log goes on from test to test."""
    return one_tree


@pytest.fixture(scope="module")
def one_server(one_tree) -> Iterator[Server]:
    with one_tree.server("daphne") as server:
        yield server


@pytest.fixture
def running_tree(tree, one_server, monkeypatch) -> Tree:
    """Whose server runs already, for what needs no fresh one."""
    monkeypatch.setattr(tree, "server", lambda kind: nullcontext(one_server))
    return tree


@pytest.fixture
def results(tmp_path) -> Results:
    return results_in(tmp_path)


def results_in(folder: Path, *, commit: str = "abc", resume: bool = False) -> Results:
    commits = {"this": commit, "other": "def"}
    return Results(
        folder / "kept.json", machine="two cores", command="run", commits=commits, resume=resume
    )


@pytest.mark.parametrize(
    "part",
    # Six workers that set up Django take their time.
    [pytest.param(part, marks=pytest.mark.slow) if part == "checkout" else part for part in PARTS],
)
def test_each_part_measures_what_the_table_tells(request, part):
    tree = request.getfixturevalue("running_tree" if part in NEED_NO_FRESH_SERVER else "tree")
    figures: dict[str, float] = {}

    PARTS[part](tree, "daphne", TINY, figures.__setitem__)

    assert figures.keys() == KEYS[part]
    # Nothing much is collected, and no memory taken, for ten streams.
    assert all(value > 0 for value in figures.values()) or part == "idle"
    told = {row.key for row in page.ROWS if row.part == part} - {page.RATIO}
    assert told <= figures.keys()


@pytest.mark.parametrize("part", PEER_PARTS)
def test_nchan_is_measured_by_the_same_clients(part):
    if cure := nchan.missing():
        pytest.skip(cure)
    figures: dict[str, float] = {}

    PEER_PARTS[part](CORES, TINY, figures.__setitem__)

    assert figures.keys() <= KEYS[part]
    assert figures


def test_the_clients_see_what_is_lost_and_what_comes_twice(running_tree, monkeypatch):
    monkeypatch.setattr(parts, "LATE_SECONDS", 0.3)
    tree = running_tree
    with tree.server("daphne") as server, streams_to(server.port, CORES.load) as clients:
        parts.opened(clients, tree.staff(3))
        tree.worker.ask("people", kind="customer", count=1)
        tree.worker.ask("publish", per_second=20, seconds=0.2)

        assert clients.wait_for(3 * 4, 10)[0] == 3 * 4
        with pytest.raises(Incomplete, match="0 of 1 events came"):
            parts._all(clients, 1)
        # The worker counts on, another one begins anew: to the clients, the same once more.
        with tree.another_worker(CORES.load) as another:
            another.ask("publish", per_second=20, seconds=0.1)
            assert clients.wait_for(3 * 2, 10).doubled == 3


def test_a_storm_in_which_somebody_gets_nothing_has_no_figure(running_tree, monkeypatch):
    monkeypatch.setattr(parts, "LATE_SECONDS", 0.3)
    tree = running_tree
    with tree.server("daphne") as server, streams_to(server.port, CORES.load) as clients:
        requests = tree.customers(2, after=tree.worker.ask("cursor"))

        with pytest.raises(Incomplete, match="0 of 4 missed events"):
            parts._come_back(clients, requests, 2)


def test_a_worker_says_what_went_wrong_and_works_on(tree):
    with pytest.raises(WorkerFailed, match="KeyError: 'no-command'"):
        tree.worker.ask("no-command")

    assert len(tree.worker.ask("people", kind="customer", count=2)) == 2


def test_a_server_that_does_not_start_is_an_error_with_its_own_words():
    with (
        pytest.raises(DidNotStart, match="no such thing"),
        running("dead", ["sh", "-c", "echo no such thing; exit 3"], cores=CORES.load, port=9),
    ):
        pytest.fail("It runs.")


def test_the_page_has_medians_with_their_range_and_what_was_reached(results):
    for number, (this, other) in enumerate([(1700, 800), (1900, 900), (1500, 1000)], start=1):
        for who, value in (("this", this), ("other", other)):
            results.add(Step("opening", number, who, "daphne"), "opened", float(value))

    text = page.page(results)

    assert "| 900 (800–1,000) | 1,700 (1,500–1,900) | 1.89 | 1,600 | reached |" in text
    assert "a thousand open pages are live again within 0.6 s" in text


def test_delivery_is_told_as_a_multiple_of_nchans(results):
    results.add(Step("delivery", 1, "this", "daphne"), "p50", 8.0)
    results.add(Step("delivery", 1, "nchan", "nchan"), "p50", 5.0)

    assert "p50 ÷ nchan's | daphne |  | 1.6 |  | 1.3 | missed |" in page.page(results)


def test_a_part_that_failed_is_told_in_its_row_and_runs_again_when_resumed(results, tmp_path):
    failed, done = (Step(part, 1, "this", "daphne") for part in ("storm", "idle"))
    results.add(failed, "storm_recent", 0.5)
    results.finish(failed, failure="Incomplete: 12 of 100 missed events came back.")
    results.add(done, "cpu", 1.0)
    results.finish(done)

    text = page.page(results)
    resumed = results_in(tmp_path, resume=True)

    assert "from the table, s | daphne |  | failed, see below |" in text
    assert "- storm, round 1, this, daphne: Incomplete: 12 of 100 missed" in text
    assert resumed.done == [done]
    assert resumed.figures == [(done, "cpu", 1.0)]


def test_a_run_of_other_commits_is_not_resumed(results, tmp_path):
    results.finish(Step("idle", 1, "this", "daphne"))

    with pytest.raises(SystemExit, match="run it without --resume"):
        results_in(tmp_path, commit="another", resume=True)
    assert json.loads((tmp_path / "kept.json").read_text())["done"]
