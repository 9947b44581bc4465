"""The SQL of this app, one statement a file; the head of each says what it does and why."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def load(name: str) -> str:
    """The text of `<name>.sql`."""
    return (FOLDER / f"{name}.sql").read_text(encoding="utf-8")
