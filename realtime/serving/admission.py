"""Admissions: streams that were granted to a client and aren't open yet."""

from dataclasses import dataclass
from typing import Self

from django.http import HttpRequest

from ..access.grants import Grant
from ..exceptions import DatabaseUnavailable
from ..hub.hub import Hub
from ..hub.stream import EventStream
from ..log.cursor import Cursor, InvalidCursor, requested_cursor
from ..log.topics import Topics


@dataclass(slots=True)
class Admission:
    """A granted stream.

    stream: the name of the stream in the event log.
    grant: what the client's access depends on.
    topics: the topics that the client follows.
    cursor: the client's cursor; None: the stream begins with the next event.
    is_valid: whether the cursor that the client sent could be parsed.
    follow: whether the stream waits for more events when it has sent all.
    """

    stream: str
    grant: Grant
    topics: Topics
    cursor: Cursor | None
    is_valid: bool
    follow: bool

    @classmethod
    def of_request(
        cls, request: HttpRequest, stream: str, grant: Grant, topics: Topics, *, follow: bool
    ) -> Self:
        """The admission of a request: it has the cursor that the client sent."""
        try:
            return cls(
                stream, grant, topics, requested_cursor(request), is_valid=True, follow=follow
            )
        except InvalidCursor:
            return cls(stream, grant, topics, None, is_valid=False, follow=follow)

    async def open(self, hub: Hub) -> EventStream:
        """The stream, at the client's cursor. Raises DatabaseUnavailable."""
        # Catch up even if the client has a cursor: the cursor may come from a process that is ahead
        # of this one, and must not look as if it were ahead of the log.
        try:
            tail = await hub.catch_up(self.stream)
        except DatabaseUnavailable:
            self.grant.place = None
            raise
        cursor = tail.cursor if self.is_valid and self.cursor is None else self.cursor
        return hub.open_stream(
            self.stream, self.topics, cursor, grant=self.grant, follow=self.follow
        )
