"""Reads settings from environment variables. A bad value is an error: nothing is guessed."""

import os

from django.core.exceptions import ImproperlyConfigured

YES = {"1", "true", "yes", "on"}
NO = {"0", "false", "no", "off"}


def text(name: str, default: str = "") -> str:
    """The variable's value; unset and empty are the same."""
    return os.environ.get(name, "").strip() or default


def flag(name: str, *, default: bool) -> bool:
    """A variable that is true or false. Raises ImproperlyConfigured for anything else."""
    value = text(name).lower()
    if not value:
        return default
    if value not in YES | NO:
        raise ImproperlyConfigured(f"{name}={value!r}: say true or false.")
    return value in YES


def number(name: str, *, default: int) -> int:
    """A whole number, 0 or more. Raises ImproperlyConfigured for anything else."""
    value = text(name)
    if not value:
        return default
    if not (value.isascii() and value.isdigit()):
        raise ImproperlyConfigured(f"{name}={value!r}: say a whole number, 0 or more.")
    return int(value)


def words(name: str, *, default: list[str] | None = None) -> list[str]:
    """A list, separated by commas."""
    found = [word.strip() for word in text(name).split(",") if word.strip()]
    return found or list(default or [])


def choice(name: str, choices: list[str], *, default: str) -> str:
    value = text(name, default)
    if value not in choices:
        raise ImproperlyConfigured(f"{name}={value!r}: say {' or '.join(choices)}.")
    return value
