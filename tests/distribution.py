"""How the tests are shared out among worker processes, each of which has a database of its own.

A file's tests stay together, for they share fixtures, and so do those of a folder of `TOGETHER`:
they share servers, and the claims of their long runs are about time. What takes longest begins
first, lest one worker be left with it at the end.
"""

import os

import pytest
from xdist.scheduler import LoadScopeScheduling

# Two more than there are cores, for many tests wait for a clock: with one more all of them took a
# tenth longer on two cores.
WORKERS = (os.cpu_count() or 1) + 2
TOGETHER = ("tests/storm/",)
# Those that take longest, first.
FIRST = ("tests/storm/", "tests/browser/", "tests/benchmarks/", "tests/config/", "tests/realtime/")


class ByFile(LoadScopeScheduling):
    """Gives out whole files, and some whole folders."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return next((folder for folder in TOGETHER if path.startswith(folder)), path)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    config.option.loadscopereorder = False  # it goes by the number of tests, not by their length
    return ByFile(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def turn(item: pytest.Item) -> int:
        places = (place for place, start in enumerate(FIRST) if item.nodeid.startswith(start))
        return next(places, len(FIRST))

    items.sort(key=turn)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """None beside this process for a single file: to make their databases would take longer."""
    asked_for = {argument.partition("::")[0] for argument in config.args}
    is_one_file = len(asked_for) == 1 and asked_for.pop().endswith(".py")
    return 0 if is_one_file else WORKERS
