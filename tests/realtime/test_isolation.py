"""Nobody ever gets an event that isn't theirs: any events, any readers, any cursors.

Through the view, the hub and a real PostgreSQL. Every example has streams of its own.
"""

import asyncio
import json
import re
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from itertools import count

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission
from django.db import connections, transaction
from django.test import AsyncRequestFactory
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rest_framework_simplejwt.tokens import AccessToken

import realtime
from realtime import EventStreamView
from realtime.access.tokens import TOKEN_COOKIE
from tests.waiting import soon

from .conftest import cursor_at, unmarked

# Keys that begin alike: a comparison of the wrong kind would mistake one for another.
CUSTOMERS = [1, 11, 111]
STAFF = 2
PEOPLE = [*CUSTOMERS, STAFF]
# The last event of everybody, in this order: who has got it has got all.
LAST = [(person, "the last one") for person in PEOPLE]

stream_names = (f"isolation {number}" for number in count())


@dataclass
class Request:
    """Somebody asks for a stream, with a cursor that is theirs or not."""

    person: int
    scope: str = "own"
    cursor: int | None = None
    by_cookie: bool = False
    # Whether the process has forgotten what was published, so that it is read from the table.
    from_table: bool = False

    @property
    def is_refused(self):
        return self.scope == "all" and self.person != STAFF

    def is_for(self, person):
        return self.scope == "all" or person == self.person


# What they say is any text: nobody may break out of an event into somebody else's stream.
messages = st.lists(st.tuples(st.sampled_from([*PEOPLE, None]), st.text(max_size=20)), max_size=10)
requests = st.builds(
    Request,
    person=st.sampled_from(PEOPLE),
    scope=st.sampled_from(["own", "all"]),
    cursor=st.integers(0, 12) | st.none(),
    by_cookie=st.booleans(),
    from_table=st.booleans(),
)
# The fixtures, which the examples share, are the cast and the hub.
examples = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
async def tokens(hub, django_user_model, settings):
    """An access token for everybody. The staff may read everybody's events."""
    settings.REALTIME = {**settings.REALTIME, "STREAMS": ["isolation *"]}

    def make():
        users = [django_user_model.objects.create(pk=pk, username=str(pk)) for pk in PEOPLE]
        users[-1].user_permissions.add(Permission.objects.get(codename="view_order"))
        return {user.pk: str(AccessToken.for_user(user)) for user in users}

    yield await in_session(make)
    await sync_to_async(connections.close_all)()


async def in_session(function):
    """Call what uses the ORM in the session that is closed with `tokens`."""
    return await sync_to_async(function)()


async def publish(hub, stream, messages):
    """Publish them, in one transaction; returns when all have their positions."""
    before = (await hub.catch_up(stream)).position

    @transaction.atomic
    def publish_each():
        for person, text in messages:
            to = realtime.PUBLIC if person is None else realtime.Topic("auth.user", person)
            data = {"for": person, "text": text}
            realtime.publish(to=to, type="text", data=data, stream=stream)

    await in_session(publish_each)
    async with asyncio.timeout(10):
        while (await hub.catch_up(stream)).position < before + len(messages):
            pass


class Reader:
    """Reads the stream that a request opens."""

    def __init__(self, chunks):
        self.chunks = chunks
        self.text = b""

    async def up_to(self, position):
        """All that is sent from the first byte to the event at this position."""
        return await self.until(f"id: {position}\ndata: ")  # that of a heartbeat is empty

    async def until(self, line):
        async with asyncio.timeout(10):
            while line.encode() not in self.text:
                self.text += unmarked(await anext(self.chunks))
        return self.text


async def ask(hub, stream, tokens, request):
    """The view's answer."""
    sent = AsyncRequestFactory().get("/", {"scope": request.scope})
    if request.by_cookie:
        sent.COOKIES[TOKEN_COOKIE] = tokens[request.person]
    else:
        sent.META["HTTP_AUTHORIZATION"] = f"Bearer {tokens[request.person]}"
    if request.cursor is not None:
        sent.META["HTTP_LAST_EVENT_ID"] = str(await cursor_at(request.cursor, stream, in_session))
    if request.from_table:
        tail = await hub.catch_up(stream)
        tail.restart(tail.cursor)
    view = EventStreamView.as_view(stream=stream, view_all_permission="orders.view_order")
    return await soon(view(sent))


async def read(hub, stream, tokens, request, stack):
    """A reader that has its opening; its stream is closed with the stack."""
    response = await ask(hub, stream, tokens, request)
    assert response.status_code == 200
    reader = Reader(await stack.enter_async_context(aclosing(response.streaming_content)))
    reader.text = unmarked(await soon(anext(reader.chunks)))
    if request.cursor is not None and request.cursor > (await hub.catch_up(stream)).position:
        await reader.until("event: reset")  # before there is more, and it is ahead no longer
    return reader


def events(text):
    """Position and data of what was published, as a client reads it."""
    for block in text.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        if fields.get("event") not in (None, "heartbeat", "reset"):
            yield int(fields["id"]), json.loads(fields["data"])


@examples
@given(before=messages, after=messages, asked=st.lists(requests, min_size=1, max_size=5))
@example(  # at each cursor, on an event of one's own and of somebody else's
    before=[(1, "hers"), (11, "his"), (None, "nobody's"), (1, "hers again")],
    after=[(111, "another's"), (1, "hers at last")],
    asked=[
        Request(person, scope, cursor, from_table=from_table)
        for from_table in (False, True)
        for person, scope in ((1, "own"), (11, "own"), (STAFF, "all"))
        for cursor in range(6)
    ],
)
async def test_everybody_gets_all_that_is_theirs_and_nothing_else(
    hub, tokens, before, after, asked
):
    stream = next(stream_names)
    published = list(enumerate(before + after + LAST, 1))
    await publish(hub, stream, before)
    async with AsyncExitStack() as stack:
        readers = []
        for request in asked:
            if request.is_refused:
                assert (await ask(hub, stream, tokens, request)).status_code == 403
            else:
                readers.append((request, await read(hub, stream, tokens, request, stack)))
        await publish(hub, stream, after + LAST)
        for request, reader in readers:
            end = max(at for at, (person, _) in published if request.is_for(person))
            cursor = request.cursor
            if cursor is None or cursor > len(before):  # from now, or reset to now
                cursor = len(before)
            assert list(events(await reader.up_to(end))) == [
                (at, {"for": person, "text": text})
                for at, (person, text) in published
                if at > cursor and request.is_for(person)
            ]


@examples
@given(
    messages=messages,
    others=st.lists(st.sampled_from([*CUSTOMERS[1:], STAFF, None]), min_size=10, max_size=10),
    cursor=st.integers(0, 12),
    from_table=st.booleans(),
)
async def test_guessing_cursors_tells_nothing_of_others_events(
    hub, tokens, messages, others, cursor, from_table
):
    """She reads the same, whoever the others are and whatever they have bought."""
    me = CUSTOMERS[0]
    told = []
    for world in (
        messages,
        [
            mine if mine[0] == me else (other, "something else")
            for mine, other in zip(messages, others, strict=False)
        ],
    ):
        stream = next(stream_names)
        await publish(hub, stream, world)
        request = Request(me, cursor=cursor, from_table=from_table)
        async with AsyncExitStack() as stack:
            reader = await read(hub, stream, tokens, request, stack)
            await publish(hub, stream, [(me, "the last one")])
            text = await reader.up_to(len(world) + 1)
        # But for `retry:`, which is random, and a heartbeat that happens to be due.
        text = re.sub(rb"^retry: .*\n|event: heartbeat\nid: .*\ndata:\n\n", b"", text)
        told.append(text.replace(stream.encode(), b""))
    assert told[0] == told[1]
