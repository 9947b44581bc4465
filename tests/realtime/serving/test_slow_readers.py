"""Clients that stop reading: the server stops for them, and in the end hangs up."""

import socket
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import realtime
from tests.clients import STREAM, bearer, open_stream
from tests.realtime.resources import Resources
from tests.servers import running_server
from tests.waiting import wait_until

EVENT_BYTES = 16 * 1024
EVENTS = 500  # 8 MB, more than the kernel takes for a client

# The project's own application and, with these queries, the same with ASGI middleware around it.
EACH = "tests.realtime.serving.wrapped_asgi:each"
QUERIES = ["", "?wrapped"]
QUERIES_OF = {"daphne": [*QUERIES, "?proxied"], "uvicorn": QUERIES}


@contextmanager
def stalled_client(server, query, headers):
    """A client that has asked for its stream and reads its head, and no more."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(20)
        client.connect(("127.0.0.1", server.port))
        lines = [f"GET {STREAM}{query} HTTP/1.1", "Host: 127.0.0.1", "Last-Event-ID: 0"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        assert client.recv(12) == b"HTTP/1.1 200"
        yield client


def publish(user, events):
    text = "x" * EVENT_BYTES
    realtime.publish_many(
        [realtime.Message(user, {"n": n, "text": text}) for n in range(events)],
        type="orders",
        stream="default",
    )


def read_all(client, events):
    """The numbers of the events that the client gets once it reads on."""
    received, last = bytearray(), b'"n":%d,' % (events - 1)
    while last not in received[-2 * EVENT_BYTES :]:
        received += client.recv(1 << 20)
    return [int(part.partition(b",")[0]) for part in bytes(received).split(b'"n":')[1:]]


@pytest.mark.parametrize("kind", QUERIES_OF)
def test_who_stops_reading_costs_a_bounded_piece_of_memory(
    processes, transactional_db, alice, bob, kind
):
    stalled = 15
    with (
        running_server(kind, application=EACH) as server,
        open_stream(server, **bearer(bob)) as reader,
        ExitStack() as clients,  # all stay to the end: what one has freed isn't another's room
    ):
        publish(alice, EVENTS)
        publish(bob, 1)
        reader.next_event()
        for query in QUERIES_OF[kind]:
            before = Resources(server).memory
            sockets = [
                clients.enter_context(stalled_client(server, query, bearer(alice)))
                for _ in range(stalled)
            ]
            # Bob's events go on meanwhile; by then everybody else's stream stands still.
            for _ in range(20):
                publish(bob, 1)
                reader.next_event()
            grown = Resources(server).memory - before
            # With middleware in between, one more chunk waits in uvicorn's own send().
            most = (384 if query and kind == "uvicorn" else 256) * 1024
            assert grown < stalled * most, f"{grown // stalled} bytes a client of {query}"
            # One that reads on gets all of it, in order, from the table.
            assert read_all(sockets[0], EVENTS) == list(range(EVENTS))


@pytest.mark.parametrize("kind", QUERIES_OF)
def test_who_never_reads_on_is_hung_up_on(processes, transactional_db, alice, kind):
    quick = {"DJANGO_SETTINGS_MODULE": "tests.realtime.quick_settings"}
    with running_server(kind, application=EACH, **quick) as server, ExitStack() as clients:
        publish(alice, EVENTS)
        stalled = [
            clients.enter_context(stalled_client(server, query, bearer(alice)))
            for query in QUERIES_OF[kind]
        ]
        for client in stalled:
            wait_until(lambda client=client: not is_connected(server, client))
        assert not [line for line in server.output if "Traceback" in line]


def is_connected(server, client) -> bool:
    """Whether the server holds an established connection from the client, as the kernel sees it."""
    ends = [f":{server.port:04X}", f":{client.getsockname()[1]:04X}"]
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any([row[1][-5:], row[2][-5:], row[3]] == [*ends, "01"] for row in rows)
