import pytest

from .embedded_processes import SystemUser, removed_at_the_end, wait_for_end


@pytest.fixture
def new_folder(processes, tmp_path):
    """Where an embedded PostgreSQL may be put. It has to have ended when the test does."""
    folder = tmp_path / "local" / "postgres"
    with removed_at_the_end(folder):
        yield folder


@pytest.fixture(scope="module")
def shared_folder(processes, tmp_path_factory):
    with removed_at_the_end(folder := tmp_path_factory.mktemp("shared") / "postgres"):
        yield folder


@pytest.fixture
def folder(shared_folder):
    """The same, shared by tests that leave its files in order: its server starts sooner."""
    yield shared_folder
    wait_for_end(shared_folder, 10)


@pytest.fixture(scope="session")
def ordinary_user(processes):
    found = SystemUser.find_ordinary()
    if found is None:
        pytest.skip("run as root, and no Python here that another account can run")
    return found
