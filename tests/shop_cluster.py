"""The files of a PostgreSQL with the shop's tables and its demo accounts.

To make them takes three seconds of a core, to copy them a tenth of one.
"""

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from .servers import ROOT
from .storm.cluster import DROP_TEMPLATES, Cluster, copy_files, running_cluster

DATABASE = "postgres"


@pytest.fixture(scope="session")
def shop_files(processes, tmp_path_factory) -> Path:
    """For `running_cluster`. The worker processes share them; whoever comes first makes them."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    files = folder / "shop-files"
    with (folder / "shop-files.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not files.exists():
            draft = folder / "shop-files-draft"
            _make(tmp_path_factory.mktemp("shop-files") / "cluster", draft)
            draft.rename(files)
    return files


def user_in(cluster: Cluster, username: str) -> Any:
    """One of the demo accounts in such a cluster, for `bearer()`."""
    with cluster.connect(DATABASE) as session:
        query = "SELECT id, password FROM auth_user WHERE username = %s"
        pk, password = session.execute(query, [username]).fetchone()
    return get_user_model()(pk=pk, username=username, password=password)


# As two commands of manage.py, and with the usual iterations, it would take twice as long.
MAKE = """
import django

django.setup()

from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.management import call_command

PBKDF2PasswordHasher.iterations = 1
call_command("migrate", verbosity=0)
call_command("demo_accounts")
"""


def _make(path: Path, files: Path) -> None:
    with running_cluster(path) as cluster:
        subprocess.run(
            [sys.executable, "-c", MAKE],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": cluster.url(DATABASE),
                "DJANGO_SETTINGS_MODULE": "config.settings",
            },
            check=True,
        )
        with cluster.connect(DATABASE) as session:
            for statement in DROP_TEMPLATES:
                session.execute(statement)
        cluster.shut_down()
        copy_files(cluster.data, files)
