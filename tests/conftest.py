"""The cast, and the servers they talk to."""

import functools
import os
import signal
import ssl
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connection
from django.utils import translation

from .emptying import emptied_by_deleting  # noqa: F401
from .servers import ServerProcess, running_server
from .shared_servers import SharedServer, shared_server
from .shop_cluster import shop_files  # noqa: F401

pytest_plugins = ["tests.tiers", "tests.distribution", "tests.browser.axe"]
# A project of its own, which test_foreign.py runs as such.
collect_ignore = ["foreign"]

PASSWORD = "correct horse battery staple"

# Where Python is forbidden to keep what it has compiled, as in many a container, each of some two
# hundred processes would compile the project anew: a quarter of what it takes to start one.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

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


@pytest.fixture(scope="session", autouse=True)
def authorities_read_once() -> Iterator[None]:
    """Each client of httpx reads the certificates of all authorities anew: 18 ms of a core, for
    some thousands of clients that ask nobody but servers of this machine.
    """
    create = ssl.create_default_context

    @functools.cache
    def of_file(cafile: str) -> ssl.SSLContext:
        return create(cafile=cafile)

    def create_once(*purpose: ssl.Purpose, **options: Any) -> ssl.SSLContext:
        is_as_httpx_asks = not purpose and options.keys() == {"cafile"}
        return of_file(**options) if is_as_httpx_asks else create(*purpose, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", create_once)
        yield


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


@pytest.fixture(scope="module")
def shared_daphne(processes, django_db_setup, django_db_blocker) -> Iterator[SharedServer]:
    """One for the tests of a file, whose log goes on from test to test."""
    yield from shared_server(django_db_blocker, "daphne")


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
