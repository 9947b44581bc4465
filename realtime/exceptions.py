"""The errors that this package raises."""


class RealtimeError(Exception):
    """The base of all errors raised by this package."""


class InvalidEvent(RealtimeError, ValueError):
    """The event can't be sent over the wire, so it was refused before it was written."""


class InvalidTopic(InvalidEvent):
    """The value is no topic: nobody could follow it, or too many people could."""


class NotMigrated(RealtimeError):
    """The tables of the event log are not there yet."""


class DatabaseUnavailable(RealtimeError):
    """The event log can't be read until the database is available again."""
