"""A reconnect storm: all clients come back at once, each with events that it has missed."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..streams import Request, Streams

GIVE_UP_SECONDS = 60


class Storm(NamedTuple):
    """seconds: from the first connection until the last client had its last event.

    queries: the most that the server had at work at a time; None where it has no database.
    """

    clients: int
    missed: int
    seconds: float
    queries: int | None = None


class Incomplete(Exception):
    """Not everybody got what they had missed."""


def recent(site: Any, streams: Streams, follower: Streams, clients: int, missed: int) -> Storm:
    """Everybody has missed the same events, the latest ones.

    follower: somebody stays, as nearly always; or our server would forget what is recent.
    """
    follower.open(site.requests(1))
    cursor = site.cursor()
    site.publish(missed, 1)
    follower.wait_for(missed, GIVE_UP_SECONDS)
    return come_back(streams, site.requests(clients, after=cursor), missed)


def come_back(
    streams: Streams,
    requests: Sequence[Request],
    missed: int,
    *,
    most_queries: Callable[[], int] | None = None,
) -> Storm:
    """These come, all at once, and have so many events to get. Raises Incomplete."""
    expected = len(requests) * missed
    opened = streams.open(requests, at_a_time=len(requests), seconds=GIVE_UP_SECONDS)
    received = streams.wait_for(expected, GIVE_UP_SECONDS)
    streams.close()
    if received.events < expected:
        raise Incomplete(
            f"{received.events:,} of {expected:,} missed events came back in {GIVE_UP_SECONDS} "
            f"seconds; {opened.failed} clients got no answer, {received.ended} were sent away."
        )
    return Storm(
        clients=len(requests),
        missed=missed,
        # Up to the last event, or (where that came with the first chunk) the last response.
        seconds=max(received.seconds_to_last, opened.seconds),
        queries=most_queries() if most_queries else None,
    )
