from collections.abc import Iterator

import pytest

from .fleet import Fleet, open_fleet


@pytest.fixture(scope="package")
def fleet(shop_files, tmp_path_factory) -> Iterator[Fleet]:
    """Three server processes in a hurry, see settings.py; the tests of this folder share them."""
    folder = tmp_path_factory.mktemp("fleet") / "cluster"
    with open_fleet(folder, "tests.storm.settings", files=shop_files) as fleet:
        yield fleet


@pytest.fixture
def fleet_as_shipped(shop_files, tmp_path_factory) -> Iterator[Fleet]:
    """Three server processes with the project's own settings."""
    folder = tmp_path_factory.mktemp("fleet-as-shipped") / "cluster"
    with open_fleet(folder, "config.settings", files=shop_files) as fleet:
        yield fleet
