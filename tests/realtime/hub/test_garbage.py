"""What the garbage collector goes through while streams are open."""

import gc

import pytest

from realtime.hub import garbage
from realtime.hub.garbage import STEP, StreamsAside


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


def test_where_as_many_have_gone_it_goes_through_everything(aside, generations):
    for _ in range(STEP):
        aside.opened()
    for _ in range(STEP):
        aside.ended()
    assert 2 not in generations
    for _ in range(2 * STEP):
        aside.opened()
    assert generations.count(2) == 1


def test_when_half_of_them_have_gone_all_is_taken_back_to_be_collected(aside):
    for _ in range(4 * STEP):
        aside.opened()
    for _ in range(2 * STEP):
        aside.ended()
    assert gc.get_freeze_count() > 0
    aside.ended()
    assert gc.get_freeze_count() == 0


def test_streams_that_come_and_go_leave_nothing_behind(aside):
    for _ in range(10 * STEP):
        aside.opened()
        aside.ended()
    assert aside._aside <= 3 * STEP


def test_a_collector_that_a_project_has_switched_off_is_left_alone(aside):
    gc.disable()
    for _ in range(STEP):
        aside.opened()
    assert gc.get_freeze_count() == 0


def test_what_a_process_has_loaded_is_put_aside_once():
    garbage.put_start_aside()
    gc.unfreeze()
    garbage.put_start_aside()
    assert gc.get_freeze_count() == 0
