"""Two versions of the library: what is out there, and what is to follow it.

Once there is a release, the newest tag is version N and this tree is N+1. Until then this tree is
N, and N+1 is a copy of it that does what CONTRIBUTING.md lets a release do: it expands the tables
and puts a second version of a SQL function beside the first, and its processes call that one.
"""

import io
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import NamedTuple

from tests.servers import ROOT

EXPAND = '''"""Made by tests/upgrade: what a release may do."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "log" / "sql"


class Migration(migrations.Migration):
    atomic = False  # for the index
    dependencies = [("realtime", {after!r})]
    operations = [
        migrations.RunSQL("SET lock_timeout = '5s'", "SET lock_timeout = '5s'"),
        *(
            migrations.RunSQL(
                f"ALTER TABLE realtime_{{table}} ADD COLUMN expanded text NOT NULL DEFAULT ''",
                f"ALTER TABLE realtime_{{table}} DROP COLUMN expanded",
            )
            for table in ("outbox", "event")
        ),
        migrations.RunSQL(
            "CREATE TABLE realtime_expanded (id bigint PRIMARY KEY)",
            "DROP TABLE realtime_expanded",
        ),
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY realtime_event_expanded ON realtime_event (created_at)",
            "DROP INDEX CONCURRENTLY realtime_event_expanded",
        ),
        migrations.RunSQL(
            (SQL / "number_events_v2.sql").read_text(encoding="utf-8"),
            "DROP FUNCTION realtime_number_events_v2",
        ),
    ]
'''


class Versions(NamedTuple):
    """Folders for PYTHONPATH; last: the newest migration of the old version."""

    old: Path
    new: Path
    last: str


def two_versions(folder: Path) -> Versions:
    """The library of the version before, and of the one after it."""
    tag = newest_tag()
    old = folder / "old"
    if tag is not None:
        unpack(tag, old)
        return Versions(old, ROOT, newest_migration(old))
    copy(ROOT, old)
    copy(ROOT, folder / "new")
    expand(folder / "new")
    return Versions(old, folder / "new", newest_migration(old))


def newest_tag() -> str | None:
    """Of a release; None: there was none yet."""
    listed = subprocess.run(
        ["git", "tag", "--list", "v*", "--sort=-version:refname", "--merged"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return next(iter(listed.stdout.split()), None)


def unpack(tag: str, folder: Path) -> None:
    archive = subprocess.run(
        ["git", "archive", tag, "realtime"], cwd=ROOT, capture_output=True, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")


def copy(tree: Path, folder: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(tree / "realtime", folder / "realtime", ignore=ignored)


def newest_migration(library: Path) -> str:
    return max(path.stem for path in (library / "realtime/migrations").glob("[0-9]*.py"))


def expand(library: Path) -> None:
    """Make of a copy of this version the one after it."""
    realtime, after = library / "realtime", newest_migration(library)
    number = f"{int(after[:4]) + 1:04}"
    (realtime / "migrations" / f"{number}_expand.py").write_text(EXPAND.format(after=after))
    function = (realtime / "log/sql/number_events.sql").read_text(encoding="utf-8")
    renamed = function.replace("realtime_number_events", "realtime_number_events_v2")
    # It writes the new column too.
    columns = r"(trace_parent,\n *published_at)\n( *)\)"
    filled = re.sub(columns, r"\1, expanded\n\2)", renamed, count=1)
    end = "\n        FROM numbered"
    filled = filled.replace(f"clock_timestamp(){end}", f"clock_timestamp(), 'v2'{end}")
    assert filled.count("expanded") == 1
    assert filled.count("'v2'") == 1
    (realtime / "log/sql/number_events_v2.sql").write_text(filled, encoding="utf-8")
    for path in (realtime / "log/event_log.py", realtime / "log/snapshot.py"):
        text = path.read_text(encoding="utf-8")
        assert "FROM realtime_number_events(" in text
        path.write_text(
            text.replace("FROM realtime_number_events(", "FROM realtime_number_events_v2("),
            encoding="utf-8",
        )
