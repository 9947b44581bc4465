import pytest

from .fleet import open_fleet


@pytest.fixture(scope="session")
def fleet(tmp_path_factory):
    """Three server processes in a hurry, see settings.py; the tests of this folder share them."""
    with open_fleet(tmp_path_factory.mktemp("storm") / "cluster", "tests.storm.settings") as fleet:
        yield fleet
