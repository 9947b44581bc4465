"""The SQL of this app, one statement a file; the head of each says what it does and why."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def load(name: str, **parts: str) -> str:
    """The text of `<name>.sql`.

    parts: the names of files whose text is put in where `{part}` stands.
    """
    text = (FOLDER / f"{name}.sql").read_text(encoding="utf-8")
    for part, of in parts.items():
        text = text.replace(f"{{{part}}}", load(of))
    return text
