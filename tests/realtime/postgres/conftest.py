import pytest

from realtime.postgres.embedded.folder import Folder
from tests.storm.cluster import DROP_TEMPLATES, copy_files

from .embedded_processes import PostgresUser, SystemUser, removed_at_the_end, wait_for_end


@pytest.fixture
def new_folder(processes, tmp_path):
    """Where an embedded PostgreSQL may be put. It has to have ended when the test does."""
    folder = tmp_path / "local" / "postgres"
    with removed_at_the_end(folder):
        yield folder


@pytest.fixture
def folder(new_folder, files):
    """The same, with the files of one that has ended: to make them takes a second of a core."""
    copy_files(files, Folder.open(new_folder).data)
    return new_folder


@pytest.fixture(scope="module")
def files(processes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "postgres"
    with removed_at_the_end(folder):
        with PostgresUser(folder) as user:
            for statement in DROP_TEMPLATES:
                user.query(statement)
        wait_for_end(folder)
        copy_files(folder / "data", folder.parent / "files")
    return folder.parent / "files"


@pytest.fixture(scope="session")
def ordinary_user(processes):
    found = SystemUser.find_ordinary()
    if found is None:
        pytest.skip("run as root, and no Python here that another account can run")
    return found
