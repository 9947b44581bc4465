"""Addresses of `i18n_patterns()`, which start with a language, for a reader of another language."""

from django.conf import settings
from django.urls import translate_url
from django.utils.translation import get_language, get_language_from_path, override


def in_readers_language(url: str) -> str:
    """The same page below the language that is active now.

    url: a path of this site, made when another user's language was active. A path that isn't one of
        `i18n_patterns()` is returned unchanged.
    """
    reader = get_language()
    writer = get_language_from_path(url) if settings.USE_I18N and url.startswith("/") else None
    if reader is None or writer is None or writer == reader:
        return url
    # Django resolves only paths below the active language.
    with override(writer):
        return translate_url(url, reader)
