"""The SQL function that gives events their positions, in sessions of its own."""

import threading

import psycopg
import pytest

from realtime.log.event_log import EventLog
from realtime.log.notifications import published
from tests.servers import database_url

NUMBER = "SELECT moved, last_position FROM realtime_number_events(%s, %s, 1000000, NULL)"
NUMBER_AND_LEASE = "SELECT leased FROM realtime_number_events('default', 1000, 3, '1 hour')"
LEASED = "SELECT until > clock_timestamp() FROM realtime_pollinglease WHERE stream = 'default'"


@pytest.fixture
def write(elsewhere):
    def write(session, *data, stream="default", topic="test:7", key=""):
        for one in data:
            session.execute(
                "INSERT INTO realtime_outbox (stream, topic, type, format, data, key) "
                "VALUES (%s, %s, 'orders', 'text', %s, %s)",
                [stream, topic, one, key],
            )

    return write


@pytest.fixture
def number(elsewhere):
    session = elsewhere(options="-c statement_timeout=10s")

    def number(stream="default", batch_rows=1000):
        return session.execute(NUMBER, [stream, batch_rows]).fetchone()

    return number


@pytest.fixture
def log(elsewhere):
    session = elsewhere()

    def log(stream="default"):
        statement = "SELECT position, data FROM realtime_event WHERE stream = %s ORDER BY position"
        return session.execute(statement, [stream]).fetchall()

    return log


@pytest.mark.parametrize("read_after", [None, 0])
async def test_who_numbers_tells_of_the_last_and_who_finds_nothing_tells_nobody(
    elsewhere, write, read_after
):
    other = elsewhere()
    other.execute("LISTEN realtime_published")
    event_log = EventLog(query_seconds=10)
    async with await psycopg.AsyncConnection.connect(database_url(), autocommit=True) as session:
        write(elsewhere(), "a", "b")
        numbered = await event_log.number(session, "default", read_after=read_after)
        again = await event_log.number(session, "default", read_after=read_after)
        write(elsewhere(), "c", stream="other's")
        others = await event_log.number(session, "other's", read_after=read_after)
        assert (numbered.moved, again.moved, others.moved) == (2, 0, 1)
        heard = [hint.payload for hint in other.notifies(timeout=10, stop_after=2)]
    told = [published(numbered.last, "default"), published(others.last, "other's")]
    assert heard == told


def test_positions_ascend_by_one_from_one(elsewhere, write, number, log):
    write(elsewhere(), "a", "b")
    assert number() == (2, 2)
    write(elsewhere(), "c")
    assert number() == (1, 3)
    assert log() == [(1, "a"), (2, "b"), (3, "c")]


def test_nothing_to_number_moves_nothing(number):
    assert number() == (0, 0)


def test_the_outbox_is_empty_afterwards(elsewhere, write, number):
    session = elsewhere()
    write(session, "a")
    number()
    assert session.execute("SELECT count(*) FROM realtime_outbox").fetchone() == (0,)


def test_what_commits_late_comes_after_what_was_read(elsewhere, write, number, log):
    """The hole that ids from a sequence have: written first, committed second."""
    first, second = elsewhere(), elsewhere()
    with first.transaction():
        write(first, "written first")
        write(second, "committed first")
        assert number() == (1, 1)
    assert number() == (1, 2)
    assert log() == [(1, "committed first"), (2, "written first")]


def test_a_rolled_back_event_leaves_no_gap(elsewhere, write, number, log):
    session = elsewhere()
    with session.transaction(force_rollback=True):
        write(session, "never")
    write(session, "a")
    assert number() == (1, 1)
    assert log() == [(1, "a")]


def test_an_open_transaction_holds_up_nobody_elses_events(elsewhere, write, number):
    slow, quick = elsewhere(), elsewhere()
    with slow.transaction():
        slow.execute("SELECT pg_current_xact_id()")
        write(slow, "slow")
        for position in range(1, 4):
            write(quick, "quick")
            assert number() == (1, position)


def test_a_batch_is_bounded_and_takes_the_oldest(elsewhere, write, number, log):
    write(elsewhere(), "a", "b", "c")
    assert number(batch_rows=2) == (2, 2)
    assert number(batch_rows=2) == (1, 3)
    assert [data for _, data in log()] == ["a", "b", "c"]


def test_each_stream_counts_for_itself(elsewhere, write, number, log):
    session = elsewhere()
    write(session, "a", stream="default")
    write(session, "b", stream="imports")
    assert number("default") == (1, 1)
    assert number("imports") == (1, 1)
    assert log("imports") == [(1, "b")]


def test_who_finds_the_stream_locked_leaves_it_to_the_other(elsewhere, write, number):
    other = elsewhere()
    write(other, "a")
    number()
    write(other, "b")
    with other.transaction():
        other.execute(NUMBER, ["default", 1000])
        assert number() == (None, None)
    assert number() == (0, 2)


def test_streams_do_not_wait_for_one_another(elsewhere, write, number):
    other = elsewhere()
    write(other, "a", stream="default")
    write(other, "b", stream="imports")
    with other.transaction():
        other.execute(NUMBER, ["default", 1000])
        assert number("imports") == (1, 1)


def test_a_writer_does_not_wait_for_a_publisher(elsewhere, write):
    publisher, writer = elsewhere(), elsewhere(options="-c lock_timeout=1s")
    write(publisher, "a")
    with publisher.transaction():
        publisher.execute(NUMBER, ["default", 1000])
        write(writer, "b")


@pytest.mark.parametrize("publishers", [4])
def test_publishers_at_once_number_each_event_once(elsewhere, write, log, publishers):
    sessions = [elsewhere() for _ in range(publishers)]
    writer, total = elsewhere(), 400
    done = threading.Event()

    def publish(session):
        last_look = False
        while not last_look:
            last_look = done.is_set()
            session.execute(NUMBER, ["default", 7])

    threads = [threading.Thread(target=publish, args=[session]) for session in sessions]
    for thread in threads:
        thread.start()
    for n in range(total):
        write(writer, str(n))
    done.set()
    for thread in threads:
        thread.join(10)
    while writer.execute(NUMBER, ["default", 1000]).fetchone()[0]:
        pass
    assert log() == [(n + 1, str(n)) for n in range(total)]


def test_who_finds_many_at_once_promises_to_go_on_looking(elsewhere, write):
    session = elsewhere()
    write(session, "a", "b")
    assert session.execute(NUMBER_AND_LEASE).fetchone() == (False,)
    assert session.execute(LEASED).fetchone() is None
    write(session, "c", "d", "e")
    assert session.execute(NUMBER_AND_LEASE).fetchone() == (True,)
    assert session.execute(LEASED).fetchone() == (True,)


@pytest.mark.parametrize(("seconds", "leased"), [("-1", False), ("1", True)])
def test_a_key_that_changes_too_often_for_a_number_each_is_polled(
    elsewhere, write, seconds, leased
):
    """Though each look finds a single event: it replaces one of some milliseconds ago."""
    session = elsewhere()
    write(session, "1 %", key="progress")
    assert session.execute(NUMBER_AND_LEASE).fetchone() == (False,)
    session.execute(
        "UPDATE realtime_event SET published_at = clock_timestamp() + make_interval(secs => %s)",
        [seconds],
    )
    write(session, "2 %", key="progress")
    assert session.execute(NUMBER_AND_LEASE).fetchone() == (leased,)


def test_a_promise_is_never_taken_back(elsewhere, write):
    session = elsewhere()
    write(session, "a", "b", "c")
    session.execute(NUMBER_AND_LEASE)
    write(session, "d")
    assert session.execute(NUMBER_AND_LEASE).fetchone() == (False,)
    assert session.execute(NUMBER_AND_LEASE).fetchone() == (False,)
    assert session.execute(LEASED).fetchone() == (True,)


def test_a_promise_is_renewed_when_half_of_it_is_over(elsewhere, write):
    """Not at every look: each version of the row may have to stay for a while."""
    session = elsewhere()
    until = "SELECT until FROM realtime_pollinglease"
    moments = []
    for passed in (0, 20, 20):
        session.execute(
            "UPDATE realtime_pollinglease SET until = until - make_interval(mins => %s)", [passed]
        )
        write(session, "a", "b", "c")
        (promised,) = session.execute(NUMBER_AND_LEASE).fetchone()
        moments.append((promised, session.execute(until).fetchone()))
    assert [promised for promised, _ in moments] == [True, False, True]
    assert moments[2][1] > moments[0][1]


def test_a_look_that_finds_nothing_leaves_nothing_to_flush(elsewhere, write):
    session = elsewhere()
    write(session, "a")
    session.execute(NUMBER, ["default", 1000])
    with session.transaction():
        assert session.execute(NUMBER, ["default", 1000]).fetchone() == (0, 1)
        written = session.execute("SELECT pg_current_xact_id_if_assigned()").fetchone()
    assert written == (None,)


@pytest.mark.parametrize(
    ("preferred", "taken"),
    [
        ("off", "on"),
        ("local", "on"),
        ("remote_write", "on"),
        ("on", "on"),
        ("remote_apply", "remote_apply"),
    ],
)
def test_numbers_are_as_durable_as_can_be_before_they_are_seen_whatever_the_project_prefers(
    elsewhere, write, preferred, taken
):
    session = elsewhere(options=f"-c synchronous_commit={preferred}")
    write(session, "a")
    with session.transaction():
        session.execute(NUMBER, ["default", 1000])
        assert session.execute("SHOW synchronous_commit").fetchone() == (taken,)


NUMBER_KEYED = """
    SELECT taken, moved, last_position, leased
    FROM realtime_number_events('default', %s, 100, '1 hour')
"""


@pytest.fixture
def values(elsewhere):
    """Position, key and data of what is in the log; none where it was replaced."""
    session = elsewhere()
    statement = "SELECT position, key, data FROM realtime_event ORDER BY position"
    return lambda: session.execute(statement).fetchall()


def test_of_a_key_only_the_newest_is_numbered(elsewhere, write, values):
    session = elsewhere()
    write(session, "10%", "20%", key="progress")
    write(session, "started")
    write(session, "30%", key="progress")
    write(session, "another topic's", topic="test:8", key="progress")
    assert session.execute(NUMBER_KEYED, [1000]).fetchone() == (5, 3, 3, True)
    assert values() == [
        (1, "", "started"),
        (2, "progress", "30%"),
        (3, "progress", "another topic's"),
    ]


def test_what_is_replaced_in_the_log_is_emptied_and_leaves_no_hole(elsewhere, write, values):
    session = elsewhere()
    for percent in ("10%", "20%", "30%"):
        write(session, percent, key="progress")
        session.execute(NUMBER_KEYED, [1000])
    assert values() == [(1, "progress", None), (2, "progress", None), (3, "progress", "30%")]


def test_what_is_replaced_by_a_later_batch_is_emptied_too(elsewhere, write, values):
    session = elsewhere()
    write(session, "10%", "20%", "30%", key="progress")
    for _ in range(3):
        session.execute(NUMBER_KEYED, [1])
    assert values()[-1] == (3, "progress", "30%")
    assert [data for *_, data in values()] == [None, None, "30%"]


def test_the_events_of_a_batch_have_one_mark_and_the_next_batch_has_another(elsewhere, write):
    session = elsewhere()
    marks = []
    for _ in range(2):
        write(session, "a", "b")
        session.execute(NUMBER, ["default", 1000])
        marks += session.execute("SELECT mark FROM realtime_stream").fetchone()
    rows = session.execute("SELECT mark FROM realtime_event ORDER BY position").fetchall()
    assert [mark for (mark,) in rows] == [marks[0], marks[0], marks[1], marks[1]]
    assert marks[0] != marks[1]


def test_who_waits_for_the_lock_numbers_what_the_other_could_not_see(elsewhere, write, log):
    holder, waiter = elsewhere(), elsewhere()
    write(holder, "a")
    holder.execute(NUMBER, ["default", 1000])
    write(holder, "b")
    with holder.transaction():
        holder.execute(NUMBER, ["default", 1000])
        write(elsewhere(), "c")
        statement = NUMBER.replace("NULL)", "NULL, true)")
        thread = threading.Thread(target=waiter.execute, args=[statement, ["default", 1000]])
        thread.start()
    thread.join(10)
    assert log() == [(1, "a"), (2, "b"), (3, "c")]


STREAM = "SELECT position, pruned_through FROM realtime_stream WHERE name = 'default'"


@pytest.mark.parametrize(
    ("harm", "stream"),
    [
        ("DELETE FROM realtime_stream", (4, 0)),
        ("UPDATE realtime_stream SET position = 1, mark = 7", (4, 0)),
        ("DELETE FROM realtime_stream; DELETE FROM realtime_event WHERE position = 1", (4, 1)),
        ("DELETE FROM realtime_event WHERE position = 3", (4, 3)),
        ("DELETE FROM realtime_event", (4, 3)),
    ],
    ids=[
        "its row is missing",
        "its row is older",
        "its row is missing, and the oldest event",
        "its newest event is missing",
        "all events are missing",
    ],
)
def test_a_row_that_contradicts_its_events_is_made_to_fit_them(
    elsewhere, write, number, harm, stream
):
    """No position is given out anew, and what is gone counts as pruned."""
    session = elsewhere()
    write(session, "a", "b", "c")
    number()
    session.execute(harm)
    write(session, "d")
    assert number() == (1, 4)
    assert session.execute(STREAM).fetchone() == stream


def test_what_was_pruned_to_the_last_event_stays_so(elsewhere, write, number):
    session = elsewhere()
    write(session, "a", "b")
    number()
    session.execute("DELETE FROM realtime_event")
    session.execute("UPDATE realtime_stream SET pruned_through = 2, pruned_mark = 5")
    write(session, "c")
    assert number() == (1, 3)
    assert session.execute("SELECT pruned_mark FROM realtime_stream").fetchone() == (5,)


def test_a_promise_that_a_clock_set_back_has_made_long_is_made_anew(elsewhere, write):
    session = elsewhere()
    write(session, "a", "b", "c")
    session.execute(NUMBER_AND_LEASE)
    session.execute("UPDATE realtime_pollinglease SET until = until + interval '1 day'")
    write(session, "d", "e", "f")
    assert session.execute(NUMBER_AND_LEASE).fetchone() == (True,)
    within = "SELECT until < clock_timestamp() + interval '2 hours' FROM realtime_pollinglease"
    assert session.execute(within).fetchone() == (True,)
