"""How a replay reads: what isn't of its topics it never touches, however rare they are."""

import json

import psycopg
import pytest

from realtime.log.sql import load

REPLAY = load("replay", batch="replay_topics")
OTHERS = 20_000


@pytest.fixture
def log(elsewhere):
    """A stream of one topic, but for three events of another, and of a hundred more."""
    session = elsewhere(cursor_factory=psycopg.ClientCursor)
    session.execute(
        """
        INSERT INTO realtime_event (stream, position, mark, topic, type, data)
        SELECT 'orders', position, 7, CASE
            WHEN position IN (10, 10000, 19990) THEN 'rare'
            WHEN position %% 100 = 3 AND position < 20000 THEN 'topic ' || position / 100 %% 100
            ELSE 'public'
        END, '', position::text
        FROM generate_series(1, %s) AS position
        """,
        [OTHERS],
    )
    session.execute("INSERT INTO realtime_stream VALUES ('orders', %s, 7, 0, NULL)", [OTHERS])
    session.execute("ANALYZE realtime_event")
    return session


def parameters(*topics, after=0, batch_rows=500):
    return {
        "stream": "orders",
        "topics": list(topics),
        "after": after,
        "through": OTHERS,
        "batch_rows": batch_rows,
        "batch_bytes": 1_000_000,
    }


def data(log, *topics, **how):
    return [row[-1] for row in log.execute(REPLAY, parameters(*topics, **how))]


def rows_read(log, *topics, **how):
    """How many events were touched, the last of the log for its mark too, and by which indexes."""
    statement = f"EXPLAIN (ANALYZE, FORMAT JSON) {REPLAY}"
    [[plan]] = log.execute(statement, parameters(*topics, **how)).fetchall()
    plan = json.loads(plan) if isinstance(plan, str) else plan
    read, indexes = 0, set()

    def walk(node):
        nonlocal read
        if node.get("Relation Name") == "realtime_event":
            assert "Index Name" in node, node
            indexes.add(node["Index Name"])
            each = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            read += round(each * node["Actual Loops"])
        for child in node.get("Plans", []):
            walk(child)

    walk(plan[0]["Plan"])
    return read, indexes - {"realtime_event_pkey"}


def test_a_rare_topic_is_three_rows_beside_twenty_thousand(log):
    assert data(log, "rare") == ["10", "10000", "19990"]
    read, indexes = rows_read(log, "rare")
    assert indexes == {"realtime_event_topic"}
    assert read <= 5


def test_what_lies_before_the_cursor_is_not_read(log):
    assert data(log, "public", after=19_995) == ["19996", "19997", "19998", "19999", "20000"]
    assert rows_read(log, "public", after=19_995)[0] <= 7


def test_a_hundred_topics_are_a_hundred_short_scans(log):
    topics = [f"topic {number}" for number in range(100)]
    assert len(data(log, *topics)) == 200
    assert rows_read(log, *topics)[0] <= 202
    assert data(log, *topics, batch_rows=3) == ["3", "103", "203"]


def test_a_batch_reads_no_more_of_each_topic_than_its_size(log):
    assert data(log, "public", "rare", batch_rows=10)[-1] == "11"
    assert rows_read(log, "public", "rare", batch_rows=10)[0] <= 10 + 3 + 2


def test_what_begins_alike_is_another_topic(log):
    assert data(log, "rar") == [None]
    assert data(log, "topic 1", after=1) == ["103", "10103"]
