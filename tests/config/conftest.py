import pytest

from tests.realtime.postgres.conftest import ordinary_user  # noqa: F401  a fixture
from tests.realtime.postgres.embedded_processes import removed_at_the_end

from .checkout import Checkout


@pytest.fixture
def checkout(processes, tmp_path):
    """A fresh copy of the project, in a folder whose path holds a space."""
    checkout = Checkout.copy_to(tmp_path / "the shop")
    with removed_at_the_end(checkout.postgres):
        yield checkout


@pytest.fixture(scope="module")
def made_checkout(processes, tmp_path_factory):
    """The same, shared by tests to which a database that is there already makes no difference.

    To make one takes four seconds of a core.
    """
    checkout = Checkout.copy_to(tmp_path_factory.mktemp("made") / "the shop")
    with removed_at_the_end(checkout.postgres):
        yield checkout
