import pytest

from realtime.hub.recent_events import CHUNK_BYTES, RecentEvent, RecentEvents


class Follower:
    def __init__(self, recipient):
        self.recipient = recipient
        self.woken = 0

    def wake(self):
        self.woken += 1


def tail_of(*recipients, start=0, **limits):
    tail = RecentEvents(start, **{"keep_events": 100, "keep_bytes": 10_000, **limits})
    tail.append(events(*recipients, after=start))
    return tail


def events(*recipients, after=0):
    return [
        RecentEvent(position, recipient, b"%d " % position)
        for position, recipient in enumerate(recipients, after + 1)
    ]


def test_it_gives_a_recipient_what_is_theirs_and_where_to_go_on():
    tail = tail_of("alice", "bob", "alice", "bob")
    assert tail.read(0, "alice") == (b"1 3 ", 4)
    assert tail.read(1, "alice") == (b"3 ", 4)
    assert tail.read(4, "alice") == (b"", 4)
    assert tail.read(0, "carol") == (b"", 4)


def test_it_gives_a_reader_of_the_whole_stream_everything():
    tail = tail_of("alice", "", "bob")
    assert tail.read(0, None) == (b"1 2 3 ", 3)
    tail.append(events("alice", after=3))
    assert tail.read(0, None) == (b"1 2 3 4 ", 4)
    assert tail.read(3, None) == (b"4 ", 4)


def test_an_event_for_nobody_reaches_no_recipient():
    assert tail_of("").read(0, "alice") == (b"", 1)


def test_it_wakes_whom_an_event_concerns_and_nobody_else():
    tail = tail_of()
    alice, bob, staff = Follower("alice"), Follower("bob"), Follower(None)
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
    assert tail.read(0, "alice") == (b"1 2 3 ", 3)


@pytest.mark.parametrize("limits", [{"keep_events": 2}, {"keep_bytes": 4}])
def test_it_forgets_the_oldest_and_says_so_by_its_start(limits):
    tail = tail_of("alice", "bob", "alice", "bob", **limits)
    assert (tail.start, tail.position) == (2, 4)
    assert tail.read(2, "alice") == (b"3 ", 4)
    assert tail.read(2, None) == (b"3 4 ", 4)


def test_after_a_hole_it_begins_anew():
    tail = tail_of("alice")
    tail.append(events("alice", after=10))
    assert (tail.start, tail.position) == (10, 11)
    assert tail.read(10, "alice") == (b"11 ", 11)


def test_when_the_log_went_back_everybody_is_woken():
    tail = tail_of("alice", "alice")
    bob = Follower("bob")
    tail.follow(bob)
    tail.restart(1)
    assert (tail.start, tail.position) == (1, 1)
    assert bob.woken == 1


def test_a_chunk_is_bounded_and_the_next_one_goes_on():
    half = b"x" * (CHUNK_BYTES // 2)
    tail = RecentEvents(0, keep_events=10, keep_bytes=CHUNK_BYTES * 10)
    tail.append(RecentEvent(position, "alice", half) for position in (1, 2, 3))
    chunk, position = tail.read(0, "alice")
    assert (len(chunk), position) == (CHUNK_BYTES, 2)
    assert tail.read(2, "alice") == (half, 3)


def test_an_event_larger_than_a_chunk_is_sent_alone():
    tail = RecentEvents(0, keep_events=10, keep_bytes=CHUNK_BYTES * 10)
    tail.append([RecentEvent(1, "alice", b"x" * (CHUNK_BYTES * 2)), RecentEvent(2, "alice", b"y")])
    assert tail.read(0, "alice")[1] == 1
    assert tail.read(1, "alice") == (b"y", 2)
