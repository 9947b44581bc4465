"""What can go wrong, in the words of who has to mend it."""


class RealtimeError(Exception):
    """The base of all errors raised by this package."""


class InvalidEvent(RealtimeError, ValueError):
    """The event can't be sent over the wire, so it was refused before it was written."""


class InvalidTopic(InvalidEvent):
    """What was given is no topic: nobody could follow it, or more people than were meant."""


class NotMigrated(RealtimeError):
    """The tables of the event log are not there yet."""


class DatabaseUnavailable(RealtimeError):
    """The event log can't be read now; it will be again when the database is back."""
