"""What has to be set before this project runs in production."""

from collections.abc import Iterator

from django.core.exceptions import ImproperlyConfigured

from . import environment

KEY_CHARACTERS = 50
KEY_DIFFERENT_CHARACTERS = 5


def require() -> None:
    """Refuse to start while a default that is only good for development is left."""
    problems = list(_problems())
    if problems:
        raise ImproperlyConfigured(
            "DJANGO_ENV=production, but this is not ready for production:\n"
            + "\n".join(f"  - {problem}" for problem in problems)
        )


def _problems() -> Iterator[str]:
    key = environment.text("DJANGO_SECRET_KEY")
    if not key:
        yield (
            "DJANGO_SECRET_KEY is not set. Make one, and keep it secret: "
            "python -c 'import secrets; print(secrets.token_urlsafe(50))'"
        )
    elif _is_weak(key):
        yield (
            f"DJANGO_SECRET_KEY can be guessed: it needs at least {KEY_CHARACTERS} random "
            "characters. python -c 'import secrets; print(secrets.token_urlsafe(50))'"
        )
    hosts = environment.words("DJANGO_ALLOWED_HOSTS")
    if not hosts:
        yield "DJANGO_ALLOWED_HOSTS is not set. Name the site's hosts: shop.example.com"
    elif "*" in hosts:
        yield "DJANGO_ALLOWED_HOSTS=* lets anyone pretend to be this site. Name its hosts."
    if environment.flag("DJANGO_DEBUG", default=False):
        yield "DJANGO_DEBUG is on: it shows source code and settings to anyone. Unset it."
    if not environment.text("DATABASE_URL"):
        yield (
            "DATABASE_URL is not set; the embedded PostgreSQL is for development. "
            "postgresql://user:password@host:5432/name"
        )


def _is_weak(key: str) -> bool:
    # As Django's own security.W009.
    return (
        len(key) < KEY_CHARACTERS
        or len(set(key)) < KEY_DIFFERENT_CHARACTERS
        or key.startswith("django-insecure-")
    )
