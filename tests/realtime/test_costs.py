"""What an event and a stream cost, where that can be counted: so that nobody makes it dearer."""

from contextlib import AsyncExitStack

import pytest

from realtime.log import event_log
from tests.clients import bearer, open_stream
from tests.realtime.serving.test_stream_writer import connect  # noqa: F401  a fixture
from tests.waiting import until

from .conftest import publish
from .resources import Resources


@pytest.fixture
def asked(hub, monkeypatch):
    """What the hub asks the database."""
    seen = []
    for name in ("_query", "_query_all"):
        monkeypatch.setattr(event_log.EventLog, name, _noting(name, seen))
    return seen


def _noting(name, seen):
    query = getattr(event_log.EventLog, name)

    async def noted(self, connection, statement, parameters):
        seen.append(statement)
        return await query(self, connection, statement, parameters)

    return noted


@pytest.mark.parametrize("count", [1, 500])
async def test_an_event_costs_a_process_two_queries_however_many_come_at_once(
    connect,  # noqa: F811
    asked,
    count,
):
    """To number and read it, for all clients together, and to tell the others."""
    async with AsyncExitStack():
        clients = [await connect("7") for _ in range(20)]
    asked.clear()
    await publish("7", *range(count))
    ending = b"data: %d\n\n" % (count - 1)
    await until(lambda: all(client.text.endswith(ending) for client in clients))
    about_events = [
        one
        for one in asked
        if one in (event_log.NUMBER_AND_READ, event_log.NOTIFY, event_log.READ_TAIL)
    ]
    # Many begin a watch: it may have looked once more already.
    assert about_events[:2] == [event_log.NUMBER_AND_READ, event_log.NOTIFY]
    assert len(about_events) <= (2 if count == 1 else 4), about_events


def test_an_idle_stream_costs_less_than_forty_kilobytes(server, alice):
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
