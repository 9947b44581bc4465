"""A page of the docs, followed word for word in a project of its own.

A code block whose first line is a comment with a path is a file: it is made, or its text is put at
the file's end. A block of `sh` is run.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from config.settings import LOCAL_DIR
from tests.servers import ROOT

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# “# mysite/urls.py, at its end”, “// …/live.js”, “{# …/live.html #}”
FILE = re.compile(r"^(?:#|//|\{#) (\S+/\S+\.\w+)(, at its end)?(?: #\})?\n")
NAMED = {"python", "html", "js", "text"}


class Block(NamedTuple):
    """A code block. path: of the file that it is, or adds to; None if it is none."""

    language: str
    text: str
    path: str | None
    adds: bool


def pages() -> list[str]:
    """The pages below docs/ that tell how something is done."""
    docs = ROOT / "docs"
    found = sorted([*docs.glob("*.md"), *docs.glob("howto/*.md")])
    return [str(path.relative_to(docs)) for path in found]


def blocks(page: str) -> list[Block]:
    """The code blocks of a page below docs/, as they come."""
    found = []
    for language, text in FENCE.findall((ROOT / "docs" / page).read_text(encoding="utf-8")):
        file = FILE.match(text)
        path = file.group(1) if file and language in NAMED else None
        body = text[file.end() :] if file and path else text
        found.append(Block(language, body, path, bool(file and file.group(2))))
    return found


class Project:
    """The existing project that the docs begin with: `mysite`, with an app `documents`."""

    def __init__(self, folder: Path, database: str, library: Path = ROOT) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(library),
            "DJANGO_SETTINGS_MODULE": "mysite.settings",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        self.environment.pop("DATABASE_URL", None)
        folder.mkdir()
        self.run("django-admin startproject mysite .", DJANGO_SETTINGS_MODULE="")
        shutil.copytree(ROOT / "tests/docs/documents", folder / "documents")
        self.add(
            "mysite/settings.py",
            "DATABASES = {'default': {\n"
            "    'ENGINE': 'realtime.postgres.embedded',\n"
            f"    'FOLDER': BASE_DIR.__class__({str(LOCAL_DIR / 'postgres')!r}),\n"
            f"    'NAME': {database!r},\n"
            "}}\n"
            "INSTALLED_APPS = [*INSTALLED_APPS, 'rest_framework', 'documents']\n"
            "ALLOWED_HOSTS = ['*']\n"
            f"STATICFILES_DIRS = {self._libraries()!r}\n",
        )

    def _libraries(self) -> list[tuple[str, str]]:
        folders = {
            "htmx2": "htmx2/dist",
            "htmx-ext-sse": "htmx-ext-sse/dist",
            "htmx4": "htmx4/dist",
            "turbo": "@hotwired/turbo/dist",
            "datastar": "@starfederation/datastar/dist/bundles",
        }
        found = {name: ROOT / "node_modules" / folder for name, folder in folders.items()}
        return [(name, str(folder)) for name, folder in found.items() if folder.is_dir()]

    def add(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as open_file:
            open_file.write(f"\n{text}" if file.stat().st_size else text)

    def write(self, block: Block) -> None:
        """Do what a block says that is a file."""
        assert block.path is not None
        assert block.adds == (self.folder / block.path).exists(), block.path
        self.add(block.path, block.text)

    def run(self, command: str, **environment: str) -> str:
        """What a command of the shell prints."""
        ran = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert ran.returncode == 0, f"{command}\n{ran.stdout}"
        return ran.stdout

    def shell(self, program: str) -> str:
        """What a program in this project prints."""
        (self.folder / "program.py").write_text(
            f"import django\n\ndjango.setup()\n{program}", encoding="utf-8"
        )
        return self.run(f"{sys.executable} program.py")
