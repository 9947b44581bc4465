"""Addresses below a language, as `i18n_patterns()` makes them, for a reader who has another one."""

from django.conf import settings
from django.urls import translate_url
from django.utils.translation import get_language, get_language_from_path, override


def in_readers_language(url: str) -> str:
    """The same page below the language that is active now.

    url: a path of this site, made when somebody else's language was active. What isn't one of
        `i18n_patterns()` comes back as it is.
    """
    reader = get_language()
    writer = get_language_from_path(url) if settings.USE_I18N and url.startswith("/") else None
    if reader is None or writer is None or writer == reader:
        return url
    # Only below the active language a path is found at all.
    with override(writer):
        return translate_url(url, reader)
