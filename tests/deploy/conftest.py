"""The files of deploy/ as they are, but for names of files and addresses."""

from pathlib import Path

import pytest

from tests.servers import ROOT

DEPLOY = ROOT / "deploy"


@pytest.fixture
def written(tmp_path):
    """Writes a file of deploy/ with other names in it; each has to be there."""

    def written(name: str, **replaced: str) -> Path:
        return write(name, tmp_path / Path(name).name, list(replaced.items()))

    return written


def write(name: str, to: Path, replaced: list[tuple[str, str]]) -> Path:
    text = (DEPLOY / name).read_text()
    for old, new in replaced:
        assert old in text, old
        text = text.replace(old, new)
    to.write_text(text)
    return to
