"""What the clients should have got: the log, and whether the log is what was committed."""

import json
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from .clients import Client, Received
from .people import Person
from .writers import COMMITTED, NOTE, ROLLED_BACK

if TYPE_CHECKING:
    from .fleet import Fleet
    from .writing import Writers


class PublishedEvent(NamedTuple):
    """A row of the log."""

    position: int
    topic: str
    data: str

    @property
    def key(self) -> str:
        """By which its writer knows it."""
        fields = json.loads(self.data)
        return f"{fields['product']} {fields['status']}"


def meant_for(person: Person, events: list[PublishedEvent]) -> list[Received]:
    return [
        Received(event.position, event.data)
        for event in events
        if person.is_staff or event.topic == person.topic
    ]


def check_log(fleet: "Fleet", writers: "Writers", events: list[PublishedEvent], name: str) -> None:
    """The log holds what was committed, once each, and nothing else.

    Whoever lost the connection during COMMIT does not know. The orders do: an event is there if,
    and only if, what it tells of is.
    """
    times = Counter(event.key for event in events)
    assert not (doubled := {key for key, count in times.items() if count > 1}), doubled
    assert not (lost := writers.events(COMMITTED) - times.keys()), lost
    assert not (ghosts := writers.events(ROLLED_BACK) & times.keys()), ghosts
    orders = fleet.query(
        "SELECT product, status FROM orders_order WHERE product LIKE %s", f"{name}/%"
    )
    true = {f"{product} placed" for product, _ in orders}
    true |= {f"{product} {status}" for product, status in orders}
    told = {key for key in times if not key.endswith(NOTE)}
    assert told == true, f"lost: {true - told}; untrue: {told - true}"


def check_client(client: Client, events: list[PublishedEvent]) -> None:
    """It got what is meant for it, each once, in order."""
    assert not client.resets, client.resets
    meant = meant_for(client.person, events)
    assert client.received == meant, (
        f"missed: {sorted(set(meant) - set(client.received))}; "
        f"not for it: {sorted(set(client.received) - set(meant))}; "
        f"{len(client.received)} received of {len(meant)}"
    )
