"""How many streams a second a server opens."""

from typing import NamedTuple

from ..site import Site
from ..streams import Streams


class Connecting(NamedTuple):
    streams: int
    seconds: float
    failed: int

    @property
    def per_second(self) -> float:
        return self.streams / self.seconds


def measure(site: Site, streams: Streams, count: int) -> Connecting:
    """Open so many, 50 at a time; each counts once its response has begun."""
    opened = streams.open(site.own_requests(count))
    streams.close()
    return Connecting(opened.open, opened.seconds, opened.failed)
