from functools import partial

import pytest

from realtime import EVERYTHING
from realtime.hub.recent_events import CHUNK_BYTES, RecentEvent, RecentEvents
from realtime.log.cursor import Cursor
from realtime.log.topics import Selection


def at(position):
    return Cursor(position, position * 100 if position else None)


class Follower:
    def __init__(self, *topics):
        self.topics = EVERYTHING if topics == (EVERYTHING,) else topics
        self.woken = 0

    def wake(self):
        self.woken += 1


def tail_of(*topics, start=0, **limits):
    tail = RecentEvents(at(start), **{"keep_events": 100, "keep_bytes": 10_000, **limits})
    tail.append(events(*topics, after=start))
    return tail


def read(tail, after, topics):
    """The chunk and the cursor it leads to."""
    return tail.read(after, topics)[:2]


def events(*topics, after=0):
    return [
        RecentEvent(at(position), topic, b"%d " % position)
        for position, topic in enumerate(topics, after + 1)
    ]


def test_it_gives_a_topic_what_is_its_own_and_where_to_go_on():
    tail = tail_of("alice", "bob", "alice", "bob")
    assert read(tail, 0, ("alice",)) == (b"1 3 ", at(4))
    assert read(tail, 1, ("alice",)) == (b"3 ", at(4))
    assert read(tail, 4, ("alice",)) == (b"", at(4))
    assert read(tail, 0, ("carol",)) == (b"", at(4))


def test_it_gives_a_reader_of_the_whole_stream_everything():
    tail = tail_of("alice", "public", "bob")
    assert read(tail, 0, EVERYTHING) == (b"1 2 3 ", at(3))
    tail.append(events("alice", after=3))
    assert read(tail, 0, EVERYTHING) == (b"1 2 3 4 ", at(4))
    assert read(tail, 3, EVERYTHING) == (b"4 ", at(4))


def told(*told, after=0):
    """Events, each by its topic and type."""
    return [
        RecentEvent(at(position), topic, b"%d " % position, type=type)
        for position, (topic, type) in enumerate(told, after + 1)
    ]


def test_it_gives_some_types_of_all_topics_and_of_ones_own_all():
    tail = tail_of()
    tail.append(told(("alice", "orders"), ("alice", "bell"), ("staff", "bell"), ("bob", "orders")))
    staff = Selection(frozenset({"orders"}), ("staff",))
    assert read(tail, 0, staff) == (b"1 3 4 ", at(4))
    assert read(tail, 3, staff) == (b"4 ", at(4))  # the same bytes as for others of the staff
    assert read(tail, 4, staff) == (b"", at(4))
    assert read(tail, 3, Selection(frozenset({"bell"}), ("staff",))) == (b"", at(4))


def test_some_types_wake_only_whom_they_concern():
    tail = tail_of()
    staff = Follower()
    staff.topics = Selection(frozenset({"orders"}), ("staff",))
    tail.follow(staff)
    tail.append(told(("alice", "bell")))
    assert staff.woken == 0
    tail.append(told(("alice", "orders"), after=1))
    tail.append(told(("staff", "bell"), after=2))
    assert staff.woken == 2
    tail.unfollow(staff)
    tail.append(told(("alice", "orders"), after=3))
    assert (staff.woken, tail.is_followed) == (2, False)


def test_an_event_of_one_topic_reaches_no_other():
    assert read(tail_of("public"), 0, ("alice",)) == (b"", at(1))


def test_it_wakes_whom_an_event_concerns_and_nobody_else():
    tail = tail_of()
    alice, bob, staff = Follower("alice"), Follower("bob"), Follower(EVERYTHING)
    for follower in (alice, bob, staff):
        tail.follow(follower)
    tail.append(events("alice", "alice"))
    assert (alice.woken, bob.woken, staff.woken) == (1, 0, 1)


def test_a_follower_that_left_is_not_woken():
    tail = tail_of()
    alice = Follower("alice")
    tail.follow(alice)
    assert tail.is_followed
    tail.unfollow(alice)
    assert not tail.is_followed
    tail.append(events("alice"))
    assert alice.woken == 0


def test_what_was_read_twice_is_kept_once():
    tail = tail_of("alice", "alice")
    tail.append(events("alice", "alice", "alice"))
    assert read(tail, 0, ("alice",)) == (b"1 2 3 ", at(3))


@pytest.mark.parametrize("limits", [{"keep_events": 2}, {"keep_bytes": 4}])
def test_it_forgets_the_oldest_and_says_so_by_its_start(limits):
    tail = tail_of("alice", "bob", "alice", "bob", **limits)
    assert (tail.start, tail.cursor) == (at(2), at(4))
    assert read(tail, 2, ("alice",)) == (b"3 ", at(4))
    assert read(tail, 2, EVERYTHING) == (b"3 4 ", at(4))


def test_after_a_hole_it_begins_anew():
    tail = tail_of("alice")
    tail.append(events("alice", after=10))
    assert (tail.start.position, tail.cursor) == (10, at(11))
    assert read(tail, 10, ("alice",)) == (b"11 ", at(11))


def test_when_the_log_went_back_everybody_is_woken():
    tail = tail_of("alice", "alice")
    bob = Follower("bob")
    tail.follow(bob)
    tail.restart(at(1))
    assert (tail.start, tail.cursor) == (at(1), at(1))
    assert bob.woken == 1


def test_a_chunk_is_bounded_and_the_next_one_goes_on():
    half = b"x" * (CHUNK_BYTES // 2)
    tail = RecentEvents(at(0), keep_events=10, keep_bytes=CHUNK_BYTES * 10)
    tail.append(RecentEvent(at(position), "alice", half) for position in (1, 2, 3))
    chunk, cursor = read(tail, 0, ("alice",))
    assert (len(chunk), cursor) == (CHUNK_BYTES, at(2))
    assert read(tail, 2, ("alice",)) == (half, at(3))


def test_an_event_larger_than_a_chunk_is_sent_alone():
    tail = RecentEvents(at(0), keep_events=10, keep_bytes=CHUNK_BYTES * 10)
    tail.append(
        [RecentEvent(at(1), "alice", b"x" * (CHUNK_BYTES * 2)), RecentEvent(at(2), "alice", b"y")]
    )
    assert read(tail, 0, ("alice",))[1] == at(1)
    assert read(tail, 1, ("alice",)) == (b"y", at(2))


def test_it_merges_the_events_of_several_topics_in_their_order():
    tail = tail_of("alice", "bob", "document", "alice", "document")
    assert read(tail, 0, ("document", "alice")) == (b"1 3 4 5 ", at(5))
    assert read(tail, 3, ("document", "alice", "carol")) == (b"4 5 ", at(5))
    assert read(tail, 0, ("carol", "dave")) == (b"", at(5))


def test_they_are_woken_in_the_order_in_which_they_came():
    """As they lie in memory: in another order a thousand take longer."""
    tail, came, woken = tail_of(), [Follower("alice") for _ in range(50)], []
    for follower in came:
        follower.wake = partial(woken.append, follower)
        tail.follow(follower)
    tail.append(events("alice"))
    assert woken == came


def test_who_follows_several_topics_is_woken_once():
    tail = tail_of()
    both = Follower("alice", "document")
    tail.follow(both)
    tail.append(events("alice", "document"))
    assert both.woken == 1
    tail.unfollow(both)
    assert not tail.is_followed


def test_who_follows_the_same_topic_and_stands_at_the_same_position_gets_the_same_bytes():
    tail = tail_of("document")
    for _ in range(2):
        tail.follow(Follower("document"))
    tail.append(events("document", after=1))
    assert read(tail, 1, ("document",))[0] is read(tail, 1, ("document",))[0]


def keyed(position, text, key="progress", topic="job"):
    return RecentEvent(at(position), topic, text, key)


def test_of_a_key_it_gives_the_newest_only():
    tail = tail_of()
    tail.append([keyed(1, b"10% "), keyed(2, b"started ", key=""), keyed(3, b"20% ")])
    assert read(tail, 0, ("job",)) == (b"started 20% ", at(3))
    tail.append([keyed(4, b"30% ")])
    for topics in (("job",), EVERYTHING, ("job", "alice")):
        assert read(tail, 0, topics) == (b"started 30% ", at(4))


def test_the_same_key_of_another_topic_is_another_value():
    tail = tail_of()
    tail.append([keyed(1, b"10% "), keyed(2, b"20% ", topic="other")])
    assert read(tail, 0, EVERYTHING) == (b"10% 20% ", at(2))


@pytest.mark.parametrize("limits", [{"keep_events": 3}, {"keep_bytes": 8}])
def test_a_value_that_was_replaced_takes_no_room(limits):
    tail = tail_of(**limits)
    for position in range(1, 50):
        tail.append([keyed(position, b"%d%% " % position)])
    assert read(tail, 49, ("job",)) == (b"", at(49))
    assert read(tail, 48, ("job",)) == (b"49% ", at(49))
    assert (tail.start.position > 0) is ("keep_events" in limits)


def test_it_contradicts_a_cursor_of_an_event_that_it_holds_another_one_for():
    tail = tail_of("alice", "bob", "alice", start=5)
    for position in (5, 6, 7, 8):
        assert not tail.contradicts(at(position))
        assert tail.contradicts(Cursor(position, 7))
        assert tail.contradicts(Cursor(position, None))


def test_it_contradicts_a_cursor_beyond_its_end_and_none_before_its_start():
    tail = tail_of("alice", start=5)
    assert tail.contradicts(at(7))
    assert not tail.contradicts(Cursor(4, 7))
