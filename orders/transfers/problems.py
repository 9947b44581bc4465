"""The errors of a line of a file: stored by code, shown in the reader's language."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

# By the error codes of an order's fields, for one column or any; UNKNOWN is for other codes.
SENTENCES = {
    "no_customer": _("There is no customer “%(value)s”."),
    "blank": _("It is empty."),
    "quantity.invalid": _("“%(value)s” is not a whole number."),
    "invalid": _("“%(value)s” is not a number."),
    "min_value": _("It has to be %(limit_value)s or more."),
    "max_value": _("It has to be %(limit_value)s or less."),
    "max_length": _("It is longer than %(limit_value)s characters."),
    "max_digits": _("It has more than %(max)s digits."),
    "max_decimal_places": _("It has more than %(max)s decimal places."),
    "max_whole_digits": _("It has more than %(max)s digits before the decimal point."),
}
UNKNOWN = _("It can’t be taken as it is.")
# A value is cut to this length.
MOST_CHARACTERS = 80


class Problem(NamedTuple):
    """One error of a line, as a transfer stores it: a list in its JSON."""

    line: int
    column: str
    code: str
    params: dict[str, str]

    @property
    def sentence(self) -> str:
        of_any = SENTENCES.get(self.code, UNKNOWN)
        try:
            return str(SENTENCES.get(f"{self.column}.{self.code}", of_any)) % self.params
        except (KeyError, TypeError):
            return str(UNKNOWN)


def problems_of(line: int, error: ValidationError) -> Iterator[Problem]:
    """The problems of a line's error, by column."""
    for column, errors in error.error_dict.items():
        for one in errors:
            params = {name: _short(value) for name, value in (one.params or {}).items()}
            yield Problem(line, column, one.code or "", params)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"
