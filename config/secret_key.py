"""The secret key of a checkout in development: made on the first run and kept out of git."""

import os
import tempfile
from pathlib import Path

from django.core.management.utils import get_random_secret_key


def kept_in(path: Path) -> str:
    """The key in this file. If the file doesn't exist, it is made, readable by its owner only."""
    if not path.exists():
        _make(path)
    return path.read_text()


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent)  # mkstemp: 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(get_random_secret_key())
        # If two processes start at once, the first one's key wins, and neither reads half a key.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(draft)
