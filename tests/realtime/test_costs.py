"""What an event and a stream cost, where that can be counted: so that nobody makes it dearer."""

from contextlib import AsyncExitStack

import pytest

from realtime import event_log
from tests.clients import bearer, open_stream

from .conftest import publish, until
from .resources import Resources
from .test_pump import connect  # noqa: F401  a fixture


@pytest.fixture
def asked(hub, monkeypatch):
    """What the hub asks the database."""
    seen = []
    query = event_log.EventLog._query

    async def watched(self, connection, statement, parameters, **options):
        seen.append(statement)
        return await query(self, connection, statement, parameters, **options)

    monkeypatch.setattr(event_log.EventLog, "_query", watched)
    return seen


@pytest.mark.parametrize("count", [1, 500])
async def test_an_event_costs_a_process_three_queries_however_many_come_at_once(
    connect,  # noqa: F811
    asked,
    count,
):
    """To number it, to tell the others, and to read it, for all clients together."""
    async with AsyncExitStack():
        clients = [await connect("7") for _ in range(20)]
    asked.clear()
    await publish("7", *range(count))
    ending = b"data: %d\n\n" % (count - 1)
    await until(lambda: all(client.text.endswith(ending) for client in clients))
    about_events = [
        one
        for one in asked
        if one in (event_log.NUMBER_EVENTS, event_log.NOTIFY, event_log.READ_TAIL)
    ]
    # The hint of its own numbering may find it reading already.
    assert 3 <= len(about_events) <= 5, about_events


def test_an_idle_stream_costs_less_than_forty_kilobytes(server, alice, eventually):
    """Measured at 5,000 it is less: here the process also grows to its working size."""
    resources, headers = Resources(server), bearer(alice)
    with open_stream(server, **headers):
        before = resources.memory
        streams = [open_stream(server, **headers) for _ in range(45)]
        for stream in streams:
            stream.__enter__()
        try:
            each = (resources.memory - before) / len(streams)
        finally:
            for stream in streams:
                stream.__exit__(None, None, None)
    assert each < 40 * 1024, each
