"""File locks that the kernel frees when their last holder dies, however it dies (`flock(2)`).

A lock belongs to the open file: a process that inherits the descriptor holds it too.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .account import Account


def open_lock(path: Path) -> int:
    """A descriptor to lock. The file stays where it is: deleting it would split the lock in two."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    Account.owner_of(path.parent).take_over(descriptor)
    return descriptor


def share(descriptor: int) -> None:
    fcntl.flock(descriptor, fcntl.LOCK_SH)


def take(descriptor: int) -> None:
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def try_to_take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_taken(path: Path) -> bool:
    """Whether somebody holds this lock exclusively."""
    descriptor = open_lock(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def taken(path: Path) -> Iterator[None]:
    """Hold this lock exclusively; waits until no other process holds it."""
    descriptor = open_lock(path)
    try:
        take(descriptor)
        yield
    finally:
        os.close(descriptor)
