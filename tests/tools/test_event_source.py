"""The clients of tools and tests read what everybody else's clients read."""

import asyncio

import httpx
import pytest
from httpx_sse import EventSource
from hypothesis import given
from hypothesis import strategies as st

from tools.event_source import NotAStream, Parser, connect

texts = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=20)
blocks = st.tuples(
    st.just(None) | st.integers(0, 10**6).map("retry: {}".format),
    st.just(None) | st.sampled_from(["event: orders", "event: heartbeat"]),
    st.integers(0, 10**12).map("id: {}-a0ff".format),
    st.lists(texts.map("data: {}".format), min_size=1, max_size=3).map("\n".join),
).map(lambda lines: ("\n".join(filter(None, lines)) + "\n\n").encode())


@given(blocks=st.lists(blocks, min_size=1, max_size=6), seed=st.randoms(use_true_random=False))
def test_it_reads_what_a_client_that_nobody_here_wrote_reads(blocks, seed):
    text = b"".join(blocks)
    parser, read, at = Parser(), [], 0
    while at < len(text):
        end = at + seed.randint(1, 20)
        read += parser.feed(text[at:end])
        at = end
    theirs = list(EventSource(response_of(text)).iter_sse())
    assert [block.type or "message" for block in read] == [event.event for event in theirs]
    assert [block.data for block in read] == [event.data for event in theirs]
    assert [block.retry_milliseconds for block in read] == [event.retry for event in theirs]
    assert [block.id for block in read] == [event.id for event in theirs]


def response_of(text):
    return httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=text)


def test_a_position_is_the_number_before_the_mark():
    [plain, marked] = Parser().feed(b"id: 17\ndata: 1\n\nid: 18-a0ff\ndata: 2\n\n")
    assert (plain.position, marked.position) == (17, 18)


@pytest.fixture
async def answering():
    """Starts a server that gives this answer to anyone, and hangs up; its URL."""
    servers = []

    async def start(answer):
        async def serve(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            writer.close()

        servers.append(await asyncio.start_server(serve, "127.0.0.1", 0))
        return f"http://127.0.0.1:{servers[-1].sockets[0].getsockname()[1]}/"

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()


async def test_it_tells_the_end_of_a_stream(answering):
    url = await answering(
        b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\ndata: 2"
    )
    read = []
    connection = await connect(url, {}, read.append)
    await asyncio.wait_for(connection.closed, 10)
    assert [block.data for block in read] == ["1"]  # what isn't complete is nothing


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", 503, "503 Service Unavailable"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>", 200, "200 OK"),
        (b"HTTP/1.1 200", None, "hung up"),
    ],
)
async def test_an_answer_that_is_no_stream_is_an_error_that_says_what_it_was(
    answering, answer, status, reason
):
    with pytest.raises(NotAStream, match=reason) as error:
        await connect(await answering(answer), {}, print)
    assert error.value.status == status
