import pytest

from .checkout import Checkout
from .embedded import SystemUser, removed_at_the_end


@pytest.fixture
def folder(tmp_path):
    """Where an embedded PostgreSQL may be put. It has to have ended when the test does."""
    folder = tmp_path / "local" / "postgres"
    with removed_at_the_end(folder):
        yield folder


@pytest.fixture
def checkout(tmp_path):
    """A fresh copy of the project, in a folder whose path holds a space."""
    checkout = Checkout.copy_to(tmp_path / "the shop")
    with removed_at_the_end(checkout.postgres):
        yield checkout


@pytest.fixture(scope="session")
def ordinary_user():
    found = SystemUser.find_ordinary()
    if found is None:
        pytest.skip("run as root, and no Python here that another account can run")
    return found
