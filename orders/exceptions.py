"""What can go wrong with an order, in the words of who has to mend it."""


class OrderError(Exception):
    """The base of all errors raised by this app."""


class InvalidTransition(OrderError, ValueError):
    """The order can't go from the status it has to the one asked for, so nothing was saved."""


class UnpublishedChange(OrderError, TypeError):
    """The change would be written without its event, so it was refused."""
