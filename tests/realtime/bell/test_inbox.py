"""What a user's events come to. The rules are in tests/bell_cases.json, for JavaScript too."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

import realtime
from realtime.bell import forget, notify
from realtime.bell.changes import CHANGE
from realtime.bell.inbox import BATCH
from realtime.bell.models import Bell, Notification, Thread
from realtime.bell.notifying import NOTIFICATION
from realtime.bell.snapshot import BellSnapshot, bell_snapshot

from .samples import act, number_waiting, states, subject, tell, tell_all

pytestmark = pytest.mark.django_db

CASES = json.loads((Path(__file__).parents[2] / "bell_cases.json").read_text())["cases"]
each_case = pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])


def publish(user: Any, event: list[Any]) -> None:
    """The event of a step."""
    what, *details = event
    if what == "notify":
        of, kind = details
        notify(user, kind, subject(of), title=of)
    elif what == "forget":
        forget(user, subject(details[0]))
    else:
        realtime.publish(to=user, type=CHANGE, data=details[0])
    number_waiting()


def assert_is(snapshot: BellSnapshot, step: dict[str, Any]) -> None:
    assert dict(snapshot.unread) == step["unread"]
    assert snapshot.unread_count == len(step["unread"])
    assert snapshot.new_count == step["new"]
    threads = Thread.objects.filter(user=snapshot.bell.user)
    assert {
        thread.subject: "archived" if thread.is_archived else thread.state_for(snapshot.bell).value
        for thread in threads
    } == step["states"]


@each_case
def test_each_event_one_after_the_other(case, alice):
    for step in case["steps"]:
        publish(alice, step["event"])
        assert_is(bell_snapshot(alice), step)


@each_case
def test_all_events_at_once_come_to_the_same(case, alice, bob):
    tell(bob, "a:1")  # whose bell is none of hers
    offset = bell_snapshot(bob).cursor.position
    steps = case["steps"]
    for step in steps:
        event = json.loads(json.dumps(step["event"]))
        for name in ("through", "last", "read"):
            if event[0] == "change" and event[1].get(name):
                event[1][name] += offset
        publish(alice, event)
    last = steps[-1]
    expected = {of: position + offset for of, position in last["unread"].items()}
    assert_is(bell_snapshot(alice), {**last, "unread": expected})


def test_who_never_was_told_anything_has_an_empty_bell_and_no_row(alice):
    snapshot = bell_snapshot(alice)
    assert (snapshot.unread, snapshot.rows, snapshot.unread_text) == ([], [], "0")
    assert not Bell.objects.exists()


def test_a_row_has_the_newest_of_its_subject_and_the_story_before_it(alice):
    tell(alice, "a:1", by="Bob")
    tell(alice, "b:1")
    tell(alice, "a:1", "cases.loud", title="A, renamed", url="/new/")
    [row, other] = bell_snapshot(alice).rows
    assert (row.thread.title, row.thread.url, row.newest.label) == ("A, renamed", "/new/", "Loud")
    assert [(told.label, told.sentence) for told in row.earlier] == [("News", "Bob has some.")]
    assert (other.thread.subject, other.earlier, other.has_more) == ("b:1", [], False)


def test_a_long_story_is_cut_and_says_so(alice):
    for _ in range(12):
        tell(alice, "a:1")
    [row] = bell_snapshot(alice).rows
    assert (len(row.earlier), row.has_more, row.earlier_text) == (8, True, "8+")


def test_a_notification_of_a_transaction_that_failed_is_never_told(alice):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        notify(alice, "cases.news", subject("a:1"))
        1 / 0  # noqa: B018  # it fails
    number_waiting()
    assert bell_snapshot(alice).rows == []


def test_a_storm_is_applied_in_batches(alice, monkeypatch):
    monkeypatch.setattr("realtime.bell.inbox.BATCH", 3)
    tell_all(alice, *(f"a:{number % 5}" for number in range(10)))
    assert Notification.objects.count() == 0
    snapshot = bell_snapshot(alice)
    assert Notification.objects.count() == 10
    assert snapshot.bell.position == 10
    assert BATCH > 3


def test_a_bell_that_is_up_to_date_is_not_written(alice, django_assert_num_queries):
    tell(alice, "a:1")
    bell_snapshot(alice)
    # The cursor, the bell, the events after it; the unread, the rows and their stories.
    with django_assert_num_queries(6):
        bell_snapshot(alice)


def empty_the_log():
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM realtime_event")
        cursor.execute("UPDATE realtime_stream SET position = 0, mark = NULL")


def test_the_log_was_emptied_and_what_was_told_before_is_still_there(alice):
    tell_all(alice, "a:1", "b:1")
    act(alice, "read", "a:1")
    bell_snapshot(alice)
    empty_the_log()
    tell(alice, "c:1")
    snapshot = bell_snapshot(alice)
    assert states(snapshot) == {"c:1": "new", "b:1": "new", "a:1": "read"}
    assert states(act(alice, "archive", "b:1")) == {"c:1": "new", "a:1": "read"}
    assert states(act(alice, "unarchive", "b:1")) == {"c:1": "new", "b:1": "new", "a:1": "read"}


def test_another_log_that_has_gone_further_is_not_taken_for_the_old_one(alice):
    tell_all(alice, "a:1", "b:1")
    bell_snapshot(alice)
    empty_the_log()
    tell_all(alice, "c:1", "d:1", "e:1")
    assert list(states(bell_snapshot(alice))) == ["e:1", "d:1", "c:1", "b:1", "a:1"]


def test_pruning_the_log_takes_nothing_out_of_the_inbox(alice):
    tell_all(alice, "a:1", "b:1")
    bell_snapshot(alice)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM realtime_event")
        cursor.execute("UPDATE realtime_stream SET pruned_through = position")
    tell(alice, "c:1")
    assert list(states(bell_snapshot(alice))) == ["c:1", "b:1", "a:1"]


def test_the_events_have_the_types_that_the_script_follows():
    script = Path("realtime/bell/static/realtime/bell/bell_state.js").read_text()
    assert f'NOTIFICATION = "{NOTIFICATION}"' in script
    assert f'CHANGE = "{CHANGE}"' in script
