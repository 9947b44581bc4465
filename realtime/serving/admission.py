"""What a client asked for and was granted, until its stream is open."""

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
    grant: what following rests on.
    topics: what it tells of.
    cursor: where the client left off; None: it begins with what comes.
    is_valid: whether what the client sent as its cursor is one.
    follow: whether the client stays when all has been said.
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
        """What a request asks for beside what it was granted."""
        try:
            return cls(
                stream, grant, topics, requested_cursor(request), is_valid=True, follow=follow
            )
        except InvalidCursor:
            return cls(stream, grant, topics, None, is_valid=False, follow=follow)

    async def open(self, hub: Hub) -> EventStream:
        """The stream, standing where the client left off. Raises DatabaseUnavailable."""
        # Also where the client brings a cursor: it may come from a process that is ahead of this
        # one, and must not be mistaken for one that is ahead of the log.
        try:
            tail = await hub.catch_up(self.stream)
        except DatabaseUnavailable:
            self.grant.place = None
            raise
        cursor = tail.cursor if self.is_valid and self.cursor is None else self.cursor
        return hub.open_stream(
            self.stream, self.topics, cursor, grant=self.grant, follow=self.follow
        )
