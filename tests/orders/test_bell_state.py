"""What a user has seen and read: kept by the server, told to all of that user's pages."""

import random
import threading
from itertools import pairwise

import pytest
from django.db import connection, transaction

from orders.bell import bell_snapshot, mark_all_read, mark_read, mark_seen
from orders.models import MOST_READ_SINGLY, Bell
from realtime import topic_of
from realtime.models import Event, OutboxEvent

from .locks import wait_until_somebody_waits_for_a_row
from .samples import number_waiting, place, place_many, told_of_bells

pytestmark = pytest.mark.django_db


def state(user) -> tuple[int, int, list[int]]:
    bell = Bell.objects.get(user=user)
    return bell.seen_position, bell.read_position, bell.read_positions


def states(user) -> dict[int, str]:
    """What each notification in the bell is to its user."""
    return {n.position: n.state for n in bell_snapshot(user).notifications}


def test_what_has_come_is_new_then_seen_then_read(alice):
    place_many(alice, 3)
    assert states(alice) == {3: "new", 2: "new", 1: "new"}
    mark_seen(alice, 2)
    assert states(alice) == {3: "new", 2: "seen", 1: "seen"}
    mark_read(alice, 1)
    assert states(alice) == {3: "new", 2: "seen", 1: "read"}
    mark_all_read(alice, 3)
    assert states(alice) == {3: "read", 2: "read", 1: "read"}


def test_reading_one_does_not_make_the_others_seen(alice):
    place_many(alice, 3)
    mark_read(alice, 2)
    assert state(alice) == (0, 0, [2])
    assert states(alice) == {3: "new", 2: "read", 1: "new"}
    assert bell_snapshot(alice).new_count == 2


def test_reading_all_makes_all_seen_and_forgets_which_were_read_one_by_one(alice):
    place_many(alice, 4)
    mark_read(alice, 2)
    mark_read(alice, 4)
    mark_all_read(alice, 3)
    assert state(alice) == (3, 3, [4])


def test_positions_never_move_backwards(alice):
    place_many(alice, 3)
    mark_all_read(alice, 3)
    mark_seen(alice, 1)
    mark_read(alice, 1)
    mark_all_read(alice, 2)
    assert state(alice) == (3, 3, [])


def test_nobody_has_seen_or_read_what_is_yet_to_come(alice):
    place(alice)
    mark_seen(alice, 10**30)
    mark_all_read(alice, 10**30)
    mark_read(alice, 2)
    mark_read(alice, 10**30)
    place(alice)
    assert list(states(alice).values()) == ["new", "read"]


def test_what_one_customer_has_read_is_still_new_for_another(alice, bob):
    place(alice)
    place(bob)
    mark_all_read(alice, 2)
    assert states(bob) == {2: "new"}


def test_nobody_reads_what_is_anothers(alice, bob):
    place(bob)
    mark_read(alice, 1)
    assert not Bell.objects.exists()


def test_each_change_is_told_to_that_user(alice, bob):
    place_many(alice, 3)
    mark_seen(alice, 3)
    mark_read(alice, 2)
    mark_all_read(alice, 3)
    assert told_of_bells() == [
        (topic_of(alice), {"seen_position": 3, "read_position": 0, "read_positions": []}),
        (topic_of(alice), {"seen_position": 3, "read_position": 0, "read_positions": [2]}),
        (topic_of(alice), {"seen_position": 3, "read_position": 3, "read_positions": []}),
    ]


def test_what_changes_nothing_is_not_told(alice, bob):
    place(alice)
    mark_seen(alice, 0)
    mark_all_read(alice, 1)
    told = told_of_bells()
    place(bob)  # the stream goes on, and Alice's pages with it
    for position in (0, 1, 2):
        mark_seen(alice, position)
        mark_read(alice, position)
        mark_all_read(alice, position)
    assert told_of_bells() == told


def test_a_bell_that_was_looked_at_is_no_notification(alice):
    place(alice)
    mark_seen(alice, 1)
    number_waiting()
    bell = bell_snapshot(alice)
    assert bell.cursor.position == 2
    assert [notification.position for notification in bell.notifications] == [1]
    assert bell.new_count == 0


def test_it_tells_apart_so_many_that_were_read_one_by_one_and_then_lets_the_oldest_pass(alice):
    place_many(alice, MOST_READ_SINGLY + 3)
    singly = list(range(3, MOST_READ_SINGLY + 3))
    Bell.objects.create(user=alice, read_positions=singly)
    mark_read(alice, MOST_READ_SINGLY + 3)
    assert state(alice) == (0, 3, [*singly[1:], MOST_READ_SINGLY + 3])
    assert Bell.objects.get().state_of(2) == "read"


def test_the_change_and_its_event_are_written_by_one_transaction(alice):
    place(alice)
    with transaction.atomic():
        mark_seen(alice, 1)
        transaction.set_rollback(True)
    assert not Bell.objects.exists()
    assert not OutboxEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_changes_at_once_the_second_contains_the_first(alice):
    place_many(alice, 2)
    mark_seen(alice, 1)

    def read_the_second() -> None:
        try:
            mark_read(alice, 2)
        finally:
            connection.close()

    other = threading.Thread(target=read_the_second, name="another tab")
    with transaction.atomic():
        mark_read(alice, 1)
        other.start()
        wait_until_somebody_waits_for_a_row()
    other.join(10)
    assert [data["read_positions"] for _, data in told_of_bells()] == [[], [1], [1, 2]]


@pytest.mark.django_db(transaction=True)
def test_two_tabs_may_be_the_first_to_look_at_once(alice):
    place_many(alice, 2)

    def see() -> None:
        try:
            mark_seen(alice, 2)
        finally:
            connection.close()

    other = threading.Thread(target=see, name="another tab")
    with transaction.atomic():
        mark_read(alice, 1)
        other.start()
        wait_until_somebody_waits_for_a_row()
    other.join(10)
    assert state(alice) == (2, 0, [1])
    assert [data["seen_position"] for _, data in told_of_bells()] == [0, 2]


def test_whatever_happens_each_state_that_is_told_contains_those_before(alice, bob):
    chance = random.Random(4)
    for _ in range(150):
        place(chance.choice([alice, bob]))
        newest = Event.objects.count()
        act = chance.choice([mark_seen, mark_read, mark_read, mark_all_read])
        act(alice, chance.randint(max(0, newest - 10), newest))
    told = [Bell(user=alice, **data) for who, data in told_of_bells() if who == topic_of(alice)]
    assert len(told) > 20
    positions = range(Event.objects.count() + 1)
    worth = {"new": 0, "seen": 1, "read": 2}
    for before, after in pairwise(told):
        assert all(worth[before.state_of(p)] <= worth[after.state_of(p)] for p in positions)
    assert state(alice) == (told[-1].seen_position, told[-1].read_position, told[-1].read_positions)
