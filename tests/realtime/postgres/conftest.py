import pytest

from .embedded_processes import SystemUser, removed_at_the_end


@pytest.fixture
def folder(processes, tmp_path):
    """Where an embedded PostgreSQL may be put. It has to have ended when the test does."""
    folder = tmp_path / "local" / "postgres"
    with removed_at_the_end(folder):
        yield folder


@pytest.fixture(scope="session")
def ordinary_user(processes):
    found = SystemUser.find_ordinary()
    if found is None:
        pytest.skip("run as root, and no Python here that another account can run")
    return found
