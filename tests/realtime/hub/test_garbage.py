"""What the garbage collector goes through while streams are open."""

import gc

import pytest

from realtime.hub import garbage
from realtime.hub.garbage import MOST_LEFT, STEP, StreamsAside


@pytest.fixture(autouse=True)
def unfrozen():
    was_enabled = gc.isenabled()
    yield
    gc.unfreeze()
    (gc.enable if was_enabled else gc.disable)()


@pytest.fixture
def aside():
    gc.unfreeze()
    return StreamsAside()


def test_open_streams_are_put_aside_a_few_hundred_at_a_time(aside):
    class Cycle:
        def __init__(self):
            self.itself = self

    for _ in range(STEP - 1):
        aside.opened()
    assert gc.get_freeze_count() == 0
    Cycle()
    aside.opened()
    assert gc.get_freeze_count() > 0
    # What was garbage by then was collected before.
    gc.unfreeze()
    assert not any(type(one) is Cycle for one in gc.get_objects())


@pytest.fixture
def generations():
    """Those that have been collected."""
    collected = []

    def note(phase, info):
        if phase == "start":
            collected.append(info["generation"])

    gc.callbacks.append(note)
    yield collected
    gc.callbacks.remove(note)


def test_to_put_streams_aside_goes_through_what_is_new_only(aside, generations):
    for _ in range(3 * STEP):
        aside.opened()
    assert generations.count(1) >= 3
    assert 2 not in generations


def have_gone(aside, count):
    for _ in range(count):
        aside.opened()
    aside.tidy()
    for _ in range(count):
        aside.ended()


def test_what_a_crowd_leaves_is_collected_when_it_is_quiet(aside, generations):
    class Cycle:
        def __init__(self):
            self.itself = self

    Cycle()
    have_gone(aside, 2 * STEP)
    aside.tidy()  # they have left in this very second
    for _ in range(STEP):  # and are back in the next
        aside.opened()
    aside.tidy()
    assert 2 not in generations
    aside.tidy()
    assert 2 in generations
    assert not any(type(one) is Cycle for one in gc.get_objects())
    assert gc.get_freeze_count() > 0
    generations.clear()
    aside.tidy()
    assert 2 not in generations


def test_where_few_have_gone_nothing_is_gone_through(aside, generations):
    for _ in range(6 * STEP):
        aside.opened()
    for _ in range(2 * STEP):
        aside.ended()
    aside.tidy()
    aside.tidy()
    assert 2 not in generations


def test_where_it_is_never_quiet_what_was_left_is_collected_all_the_same(aside, generations):
    have_gone(aside, MOST_LEFT - 1)
    assert 2 not in generations
    have_gone(aside, 1)
    assert generations.count(2) == 1


def test_a_collector_that_a_project_has_switched_off_is_left_alone(aside):
    gc.disable()
    have_gone(aside, 2 * STEP)
    aside.tidy()
    aside.tidy()
    assert gc.get_freeze_count() == 0


def test_what_a_process_has_loaded_is_put_aside_once():
    garbage.put_start_aside()
    gc.unfreeze()
    garbage.put_start_aside()
    assert gc.get_freeze_count() == 0
