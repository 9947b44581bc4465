"""`manage.py prune_events`, and what it does to those who use the log meanwhile."""

import asyncio
import threading
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from realtime import EVERYTHING
from realtime.hub.hub import Hub
from realtime.log import retention
from realtime.log.cursor import START, Cursor
from realtime.log.notifications import PENDING_CHANNEL
from realtime.models import Event, OutboxEvent, Stream
from tests.realtime.conftest import in_thread

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = "SELECT moved, last_position FROM realtime_number_events(%s, %s, 1000000, NULL)"


def fill(stream, *ages):
    """A stream whose events were published so many hours ago, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO realtime_event (stream, position, mark, topic, type, data, published_at)
            SELECT %s, position, 1, '7', 'orders', '1', now() - make_interval(secs => hours * 3600)
            FROM unnest(%s::float[]) WITH ORDINALITY AS event (hours, position)
            """,
            [stream, [float(hours) for hours in ages]],
        )
    Stream.objects.create(name=stream, position=len(ages))


def positions(stream="default"):
    return list(Event.objects.filter(stream=stream).values_list("position", flat=True))


def pruned_through(stream="default"):
    return Stream.objects.get(name=stream).pruned_through


def prune(*arguments):
    """What the command prints."""
    out = StringIO()
    call_command("prune_events", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(retention, "BATCH_ROWS", 3)


def test_it_prunes_what_is_older(transactional_db):
    fill("default", 50, 49, 47, 1)
    assert prune("--older-than", "48h") == ("default: pruned 2 events up to position 2; 2 stay.\n")
    assert positions() == [3, 4]
    assert pruned_through() == 2


@pytest.mark.parametrize("age", ["180m", "3h"])
def test_an_age_has_a_unit(age):
    fill("default", 4, 3.1, 2.9)
    prune("--older-than", age)
    assert positions() == [3]


@pytest.mark.parametrize("age", ["14d", "2w"])
def test_an_age_can_be_long(age):
    fill("default", 24 * 15, 24 * 13)
    prune("--older-than", age)
    assert positions() == [2]


@pytest.mark.parametrize("old", range(12))
def test_it_finds_the_cut_wherever_it_is(old):
    fill("default", *[9] * old, *[1] * (12 - old))
    prune("--older-than", "5h")
    assert positions() == list(range(old + 1, 13))


def test_it_finds_the_cut_with_few_reads():
    total = 100_000
    fill("default", *[9] * (total // 3), *[1] * (total - total // 3))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE realtime_event")
        parameters = {"stream": "default", "seconds": 5 * 3600}
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {retention.CUT_BY_AGE}", parameters)
        [[[explained]]] = cursor.fetchall()
    assert retention.cut_by_age("default", timedelta(hours=5)) == total // 3
    probes = [
        node
        for node in nodes(explained["Plan"])
        if node.get("Relation Name") == "realtime_event" and node["Actual Loops"]
    ]
    assert probes
    assert all(node["Actual Loops"] <= 17 and node["Actual Rows"] <= 1 for node in probes)


def nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def test_a_clock_that_was_set_back_confuses_nobody():
    fill("default", 9, 9, 8, 9, 4, 5, 4, 1)
    prune("--older-than", "6h")
    assert positions() == [5, 6, 7, 8]


def test_it_keeps_the_newest():
    fill("default", *[1] * 10)
    assert prune("--keep", "4") == "default: pruned 6 events up to position 6; 4 stay.\n"
    assert positions() == [7, 8, 9, 10]
    assert prune("--keep", "5") == "default: pruned 0 events; 4 stay.\n"
    assert pruned_through() == 6


def test_the_newest_event_always_stays():
    """By it a process that was away notices that there is a hole before it."""
    fill("default", 100, 99, 98)
    prune("--older-than", "1h")
    assert positions() == [3]


def test_what_waits_for_a_number_stays():
    fill("default", 100, 99)
    OutboxEvent.objects.create(stream="default", topic="public", type="orders", data="1")
    OutboxEvent.objects.update(created_at="2001-01-01T00:00Z")
    prune("--older-than", "1h")
    prune("--keep", "1")
    assert OutboxEvent.objects.count() == 1


def test_each_stream_is_pruned_for_itself():
    fill("default", 9, 9, 1)
    fill("imports", 9, 1, 1)
    assert prune("--older-than", "5h").splitlines() == [
        "default: pruned 2 events up to position 2; 1 stay.",
        "imports: pruned 1 events up to position 1; 2 stay.",
    ]


def test_one_stream_can_be_named():
    fill("default", 9, 1)
    fill("imports", 9, 1)
    prune("--older-than", "5h", "--stream", "default")
    assert positions("default") == [2]
    assert positions("imports") == [1, 2]


def test_a_dry_run_says_what_it_would_do_and_does_nothing():
    fill("default", 9, 9, 1)
    would = prune("--older-than", "5h", "--dry-run")
    assert would == "default: would prune 2 events up to position 2; 1 stay.\n"
    assert positions() == [1, 2, 3]
    assert pruned_through() == 0
    assert prune("--older-than", "5h") == would.replace("would prune", "pruned")


def test_without_any_stream_there_is_nothing_to_do():
    assert prune("--keep", "1") == "There are no streams yet: nothing to prune.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--keep", "1", "--older-than", "1d"], "not allowed with"),
        (["--older-than", "30"], "as in 90m (minutes), 36h (hours), 30d (days) or 8w (weeks)"),
        (["--older-than", "0d"], "'0d' is no age"),
        (["--older-than", "-1d"], "--older-than"),
        (["--older-than", "1.5d"], "'1.5d' is no age"),
        (["--older-than", "٣d"], "is no age"),
        (["--older-than", "99999999w"], "more than a hundred years"),
        (["--keep", "0"], "'0': say how many events to keep, 1 or more"),
        (["--keep", "all"], "'all': say how many"),
        (["--keep", str(2**63)], "say how many"),
        (["--keep", "1", "--stream", "nonsense"], "no stream 'nonsense'. There are: default."),
    ],
)
def test_nonsense_is_told_so(arguments, message):
    fill("default", 9, 1)
    with pytest.raises(CommandError) as refused:
        prune(*arguments)
    assert message in str(refused.value)
    assert positions() == [1, 2]


@pytest.mark.usefixtures("small_batches")
def test_a_batch_is_bounded_and_commits_the_events_with_their_mark(elsewhere):
    """Another session sees the mark rise with the events, never one without the other."""
    fill("default", *[9] * 10)
    session = elsewhere()
    seen = []
    for batch in retention.prune("default", 8):
        assert batch.events <= 3
        seen.append(
            session.execute(
                "SELECT pruned_through, (SELECT min(position) FROM realtime_event) "
                "FROM realtime_stream"
            ).fetchone()
        )
    assert seen == [(3, 4), (6, 7), (8, 9)]


@pytest.mark.usefixtures("small_batches")
def test_an_interrupted_prune_is_gone_on_with_by_the_next():
    fill("default", *[9] * 10)
    next(retention.prune("default", 8))
    assert (pruned_through(), positions()[0]) == (3, 4)
    prune("--keep", "2")
    assert (pruned_through(), positions()) == (8, [9, 10])


def test_it_waits_for_a_publisher_and_not_the_other_way_round(elsewhere, monkeypatch):
    """The stream's row is locked by the last statement of a batch only."""
    fill("default", *[9] * 10)
    OutboxEvent.objects.create(stream="default", topic="public", type="orders", data="1")
    publisher = elsewhere()
    numbered = []
    execute = retention._execute

    def number_after_the_deletion(statement, **parameters):
        done = execute(statement, **parameters)
        if statement == retention.DELETE:
            numbered.append(publisher.execute(NUMBER, ["default", 1000]).fetchone())
        return done

    monkeypatch.setattr(retention, "_execute", number_after_the_deletion)
    assert list(retention.prune("default", 5)) == [(5, 5)]
    assert numbered == [(1, 11)]
    row = Stream.objects.get()
    assert (row.position, row.pruned_through) == (11, 5)


def test_a_publisher_that_found_the_stream_locked_is_called_again(elsewhere, monkeypatch):
    """It leaves the numbering to whoever holds the lock, and a prune does not number."""
    fill("default", *[9] * 10)
    publisher, listener = elsewhere(), elsewhere()
    listener.execute(f"LISTEN {PENDING_CHANNEL}")
    execute = retention._execute

    def publish_in_vain(statement, **parameters):
        done = execute(statement, **parameters)
        if statement == retention.RAISE_PRUNED_THROUGH:
            publisher.execute(
                "INSERT INTO realtime_outbox (stream, topic, type, data) "
                "VALUES ('default', '7', 'orders', '1')"
            )
            assert publisher.execute(NUMBER, ["default", 1000]).fetchone() == (None, None)
        return done

    monkeypatch.setattr(retention, "_execute", publish_in_vain)
    list(retention.prune("default", 5))
    [hint] = listener.notifies(timeout=5, stop_after=1)
    assert (hint.channel, hint.payload) == (PENDING_CHANNEL, "default")


@pytest.mark.usefixtures("small_batches")
def test_two_prunes_at_once_delete_each_event_once():
    total = 600
    fill("default", *[9] * total)
    batches, failures = [], []

    def run():
        try:
            batches.extend(retention.prune("default", total - 1))
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failures
    assert sum(batch.events for batch in batches) == total - 1
    assert sorted(batch.through for batch in batches) == [*range(3, total - 1, 3), total - 1]
    assert (pruned_through(), positions()) == (total - 1, [total])


# By setting

BY_KIND = {"default": {"import": "1h", "*": "48h"}}


def fill_topics(*topics_and_ages):
    """A stream `orders` of events for these topics, published so many hours ago."""
    fill("default", *(hours for _, hours in topics_and_ages))
    for position, (topic, _) in enumerate(topics_and_ages, start=1):
        Event.objects.filter(stream="default", position=position).update(topic=topic)


def test_without_options_it_does_what_the_setting_says(transactional_db, settings):
    settings.REALTIME = {**settings.REALTIME, "RETENTION": {"*": "48h"}}
    fill("default", 50, 49, 47, 1)
    fill("imports", 50, 1)
    assert "default: pruned 2 events up to position 2." in prune()
    assert positions() == [3, 4]
    assert positions("imports") == [2]
    assert prune() == ""


def test_without_options_and_setting_it_asks_what_to_do(transactional_db, settings):
    settings.REALTIME = {**settings.REALTIME, "RETENTION": {}}
    fill("default", 50)
    with pytest.raises(CommandError, match="--older-than or --keep"):
        prune()


def test_the_first_name_that_fits_a_stream_says_how_long_it_is_kept(settings):
    settings.REALTIME = {"RETENTION": {"orders": "1h", "orders-*": "2h", "*": "3h"}}
    kept = {name: retention.ages(name) for name in ("orders", "orders-eu", "default")}
    assert kept == {
        "orders": {"*": timedelta(hours=1)},
        "orders-eu": {"*": timedelta(hours=2)},
        "default": {"*": timedelta(hours=3)},
    }


def test_a_kind_of_topics_may_be_kept_for_less_long(transactional_db, settings):
    settings.REALTIME = {**settings.REALTIME, "RETENTION": BY_KIND}
    fill_topics(
        ("import:1", 50),
        ("import:2", 3),
        ("auth.user:7", 3),
        ("acme/import:a/b:c", 3),
        ("reimport:2", 3),
        ("public", 3),
        ("import:2", 0),
        ("auth.user:7", 0),
    )
    assert prune("--dry-run") == (
        "default, import: would prune up to position 6.\ndefault: would prune up to position 1.\n"
    )
    prune()
    assert positions() == [3, 5, 6, 7, 8]  # what is emptied is no longer among what is kept
    assert pruned_through() == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM realtime_event")
        assert cursor.fetchone() == (7,)


def test_what_somebody_else_prunes_is_left_to_them(transactional_db, settings, elsewhere):
    settings.REALTIME = {**settings.REALTIME, "RETENTION": BY_KIND}
    fill_topics(("import:1", 50), ("import:2", 3), ("auth.user:7", 3))
    other = elsewhere()
    with other.transaction():
        other.execute(retention.TAKE_TURN, {"stream": "default"})
        for due in retention.due():
            assert not list(retention.prune_due(due, wait=False))
    for due in retention.due():
        assert sum(batch.events for batch in retention.prune_due(due, wait=False)) > 0


async def test_who_missed_what_was_emptied_is_told_and_nobody_else(hub, settings):
    await Hub.close_current()
    settings.REALTIME = {**settings.REALTIME, "RETENTION": BY_KIND, "RECENT_EVENTS": 1}
    await in_thread(
        fill_topics, ("import:1", 3), ("auth.user:7", 3), ("import:1", 0), ("auth.user:7", 0)
    )
    await in_thread(prune)
    hub = Hub.current()
    through = (await hub.catch_up("default")).cursor

    async def is_pruned(topic, after):
        topics = EVERYTHING if topic is EVERYTHING else (topic,)
        cursor = Cursor(after, 1) if after else START
        return (
            await hub.replays("default").read("default", topics, after=cursor, through=through)
        ).is_pruned

    assert await is_pruned("import:1", 0)
    assert await is_pruned(EVERYTHING, 0)
    assert not await is_pruned("import:1", 1)
    assert not await is_pruned("auth.user:7", 0)


async def test_a_process_prunes_by_itself(hub, settings):
    await Hub.close_current()
    settings.REALTIME = {
        **settings.REALTIME,
        "RETENTION": {"*": "48h"},
        "PRUNE_SECONDS": 0.1,
    }
    await in_thread(fill, "default", 50, 49, 47, 1)
    Hub.current()
    left = Event.objects.filter(stream="default").count
    async with asyncio.timeout(10):
        while await in_thread(left) != 2:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_process_that_may_not_prune_does_not(hub, settings):
    await Hub.close_current()
    settings.REALTIME = {"RETENTION": {"*": "48h"}, "PRUNE": False, "PRUNE_SECONDS": 0.1}
    Hub.current()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "realtime-prune"]
