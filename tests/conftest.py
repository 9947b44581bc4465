"""The cast, and the servers they talk to."""

import signal
from collections.abc import Iterator

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connection
from django.utils import translation

from .emptying import emptied_by_deleting  # noqa: F401
from .servers import ServerProcess, running_server

pytest_plugins = ["tests.tiers", "tests.distribution"]
# A project of its own, which test_foreign.py runs as such.
collect_ignore = ["foreign"]

PASSWORD = "correct horse battery staple"


# Started as a shell's background job, neither this process nor those that it starts would hear it,
# and some are to be stopped by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A quarter of a second for each user made would be most of the suite. The servers need not know:
# the number of iterations is part of the stored password.
PBKDF2PasswordHasher.iterations = 1


def pytest_runtest_setup() -> None:
    """Nothing of the test before: it may have ended all sessions of a database, this process's own
    among them, or have asked for a page in another language, which stays the thread's.
    """
    translation.deactivate()
    is_open = connection.connection is not None and not connection.in_atomic_block
    if is_open and not connection.is_usable():
        connection.close()


@pytest.fixture
def alice(django_user_model):
    """A customer."""
    return django_user_model.objects.create_user("alice", password=PASSWORD)


@pytest.fixture
def bob(django_user_model):
    """Another customer, who must never see what is Alice's."""
    return django_user_model.objects.create_user("bob", password=PASSWORD)


@pytest.fixture
def shop(django_user_model):
    """The shop's admin, who may see everybody's orders."""
    return django_user_model.objects.create_superuser("shop", password=PASSWORD)


@pytest.fixture
def server(transactional_db, processes) -> Iterator[ServerProcess]:
    """A daphne process on the test database, with the project's own settings."""
    with running_server("daphne") as process:
        yield process


@pytest.fixture
def site(transactional_db, processes) -> Iterator[ServerProcess]:
    """`manage.py runserver` on the test database: what a developer looks at, static files too."""
    with running_server("runserver") as process:
        yield process
