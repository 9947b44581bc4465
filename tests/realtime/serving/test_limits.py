"""How many streams there may be, and how those over the limit are told."""

from contextlib import aclosing

import pytest

from tests.clients import STREAM, bearer
from tests.waiting import soon

EVENT_SOURCE = {"Accept": "text/event-stream"}


@pytest.fixture
async def open_one(client):
    """Opens a stream and keeps it."""
    bodies = []

    async def open_one(user, **headers):
        response = await client.get(STREAM, headers={**bearer(user), **headers})
        if response.streaming:
            body = aiter(response)
            await soon(anext(body))
            bodies.append(body)
        return response

    yield open_one
    for body in bodies:
        await body.aclose()


@pytest.mark.parametrize(("limit", "status"), [("MAX_STREAMS", 503), ("MAX_STREAMS_PER_USER", 429)])
async def test_a_stream_over_the_limit_is_told_when_to_come_back(
    open_one, alice, settings, limit, status
):
    settings.REALTIME = {**settings.REALTIME, limit: 2}
    for _ in "12":
        assert (await open_one(alice)).status_code == 200
    response = await open_one(alice)
    assert response.status_code == status
    assert 5 <= int(response["Retry-After"]) <= 30


async def test_event_source_is_told_so_by_a_stream_that_ends(open_one, alice, settings):
    """Any other status would be the end for it: it gives up for good."""
    settings.REALTIME = {**settings.REALTIME, "MAX_STREAMS_PER_USER": 0}
    response = await open_one(alice, **EVENT_SOURCE)
    assert response.status_code == 200
    assert response["Content-Type"] == "text/event-stream"
    comment, retry, end = response.content.decode().split("\n\n")
    assert comment.startswith(": You have reached your limit")
    assert 5_000 <= int(retry.removeprefix("retry: ")) <= 30_000
    assert end == ""


async def test_the_limit_of_a_user_is_nobody_elses(open_one, alice, bob, settings):
    settings.REALTIME = {**settings.REALTIME, "MAX_STREAMS_PER_USER": 1}
    assert (await open_one(alice)).status_code == 200
    assert (await open_one(alice)).status_code == 429
    assert (await open_one(bob)).status_code == 200


async def test_a_stream_that_ended_counts_no_more(client, hub, alice, settings):
    settings.REALTIME = {**settings.REALTIME, "MAX_STREAMS_PER_USER": 1}
    for _ in "123":
        response = await client.get(STREAM, headers=bearer(alice))
        assert response.status_code == 200
        async with aclosing(aiter(response)) as chunks:
            await soon(anext(chunks))
    assert len(hub.streams) == hub.streams.of(str(alice.pk)) == 0


async def test_a_process_that_is_about_to_end_takes_no_new_streams(client, hub, alice):
    chunks = aiter(await client.get(STREAM, headers=bearer(alice)))
    await soon(anext(chunks))
    await hub.drain(seconds=0)
    farewell = await soon(anext(chunks))
    assert farewell.startswith(b"retry: ")
    assert await soon(anext(chunks, "the end")) == "the end"
    refused = await client.get(STREAM, headers=bearer(alice))
    assert refused.status_code == 503
    # Soon: there is another process, or a successor.
    assert 1 <= int(refused["Retry-After"]) <= 4


async def test_it_drains_over_the_time_it_is_given(open_one, hub, alice, monkeypatch):
    """Clients that leave spread out come back spread out."""
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    for _ in range(4):
        await open_one(alice)
    monkeypatch.setattr("realtime.hub.hub.asyncio.sleep", sleep)
    await hub.drain(seconds=8)
    assert [round(wait) for wait in waits] == [2, 4, 6]


async def test_it_does_not_wait_for_streams_that_have_left_by_themselves(
    client, hub, alice, monkeypatch
):
    left = []

    async def sleep(seconds):
        if not left:
            left.extend(chunks[1:])
            for one in left:
                await one.aclose()
        waits.append(seconds)

    chunks, waits = [], []
    for _ in range(4):
        chunks.append(aiter(await client.get(STREAM, headers=bearer(alice))))
        await soon(anext(chunks[-1]))
    monkeypatch.setattr("realtime.hub.hub.asyncio.sleep", sleep)
    await hub.drain(seconds=8)
    assert [round(wait) for wait in waits] == [2]
    await chunks[0].aclose()
