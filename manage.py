#!/usr/bin/env python
"""Django's command-line utility for this project."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError as error:
        raise SystemExit(
            "Django is not installed in this Python. Activate the virtual environment and run "
            "`pip install -r requirements.txt` (README.md, “Run it”)."
        ) from error
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
