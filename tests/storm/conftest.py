import pytest

from .shop import open_shop


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    """Three server processes in a hurry, see settings.py; the tests of this folder share them."""
    with open_shop(tmp_path_factory.mktemp("storm") / "cluster", "tests.storm.settings") as shop:
        yield shop
