"""The SQL of this app, one statement a file; its head says what it does and why so."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def load(name: str) -> str:
    """The text of `<name>.sql`."""
    return (FOLDER / f"{name}.sql").read_text(encoding="utf-8")
