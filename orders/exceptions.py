"""The errors that this app raises."""


class OrderError(Exception):
    """The base of all errors raised by this app."""


class InvalidTransition(OrderError, ValueError):
    """The order can't change from its status to the requested one, so nothing was saved."""


class UnpublishedChange(OrderError, TypeError):
    """The change would be written without its event, so it was refused."""
