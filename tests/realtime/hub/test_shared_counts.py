"""What processes behind one port have counted, told by whichever is asked."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from realtime.counts import Counts, counts
from realtime.hub import shared_counts
from realtime.hub.shared_counts import SharedCounts
from tests.waiting import until


def gauges(open_streams):
    return lambda: {"open": {"topics": open_streams}, "connected": {"": 1}, "listening": {"": 1}}


@asynccontextmanager
async def a_process(folder, open_streams=0):
    """One that lives for as long as the block."""
    process = SharedCounts(folder, gauges(open_streams))
    running = asyncio.create_task(process.run())
    try:
        await until(lambda: process._path.exists())
        yield process
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def total(counted):
    added = Counts(is_on=True)
    for one in counted:
        added.add(one)
    return added


@pytest.fixture
def published(monkeypatch):
    """All the processes here are this one, so each has counted the same seven events."""
    monkeypatch.setitem(counts.published, "orders", 7)


async def test_it_tells_of_those_that_live(tmp_path, published):
    async with a_process(tmp_path, 3) as one, a_process(tmp_path, 4), a_process(tmp_path, 5):
        others, counted = one.others()
        assert sorted(gauges["open"]["topics"] for gauges in others) == [4, 5]
        assert total(counted).published["orders"] == 14


async def test_what_has_ended_is_counted_for_ever_and_once(tmp_path, published):
    async with a_process(tmp_path) as one:
        for _ in range(3):
            async with a_process(tmp_path, 5):
                pass
            for _ in range(2):
                others, counted = one.others()
                assert others == []
        assert total(counted).published["orders"] == 21
        assert len(list(tmp_path.glob("*.process.json"))) == 1


async def test_a_sum_whose_parts_were_left_behind_is_not_made_twice(
    tmp_path, published, monkeypatch
):
    """A process died between the two."""
    async with a_process(tmp_path) as one:
        async with a_process(tmp_path):
            pass
        with monkeypatch.context() as patch:
            patch.setattr("pathlib.Path.unlink", lambda *args, **kwargs: None)
            one.others()
        _, counted = one.others()
        assert total(counted).published["orders"] == 7


async def test_durations_are_added_up(tmp_path):
    async with a_process(tmp_path) as one, a_process(tmp_path):
        before = sum(total(one.others()[1]).number_seconds.counts)
        counts.number_seconds.observe(0.3)
    async with a_process(tmp_path) as one:
        after = total(one.others()[1]).number_seconds
        assert sum(after.counts) >= 2 * before + 2


async def test_a_folder_that_can_not_be_written_is_said_and_stops_nothing(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    await asyncio.wait_for(SharedCounts(tmp_path / "file", gauges(0)).run(), 10)
    assert "Could not share" in caplog.text


def test_without_the_variable_each_process_is_scraped_by_itself(monkeypatch, tmp_path):
    assert shared_counts.folder() is None
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    assert shared_counts.folder() == tmp_path
