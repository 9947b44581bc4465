"""Clients that stop reading: the server stops for them, and in the end hangs up."""

import socket
from contextlib import contextmanager
from pathlib import Path

import pytest

import realtime
from tests.clients import STREAM, bearer, open_stream
from tests.realtime.resources import Resources
from tests.servers import running_server
from tests.waiting import wait_until

EVENT_BYTES = 2048

# The project's own application, and one with ASGI middleware around it.
APPLICATIONS = ["config.asgi:application", "tests.realtime.serving.wrapped_asgi:application"]


@contextmanager
def stalled_client(server, headers):
    """A client that has asked for its stream and reads its head, and no more."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(20)
        client.connect(("127.0.0.1", server.port))
        lines = [f"GET {STREAM} HTTP/1.1", "Host: 127.0.0.1", "Last-Event-ID: 0"]
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


@pytest.mark.parametrize(
    ("kind", "application"),
    [
        *((kind, application) for kind in ("daphne", "uvicorn") for application in APPLICATIONS),
        ("daphne", "tests.realtime.serving.wrapped_asgi:behind_a_proxy"),
    ],
)
def test_who_stops_reading_costs_a_bounded_piece_of_memory(
    processes, transactional_db, alice, bob, kind, application
):
    stalled, events = 20, 4000
    with (
        running_server(kind, application=application) as server,
        open_stream(server, **bearer(bob)) as reader,
    ):
        publish(alice, events)  # 8 MB, more than the kernel takes for a client
        publish(bob, 1)
        reader.next_event()
        before = Resources(server).memory
        clients = [stalled_client(server, bearer(alice)) for _ in range(stalled)]
        sockets = [client.__enter__() for client in clients]
        try:
            # Bob's events go on meanwhile; by then everybody else's stream stands still.
            for _ in range(20):
                publish(bob, 1)
                reader.next_event()
            grown = Resources(server).memory - before
            # With middleware in between, one more chunk waits in uvicorn's own send().
            is_wrapped = application != APPLICATIONS[0]
            most = (384 if is_wrapped and kind == "uvicorn" else 256) * 1024
            assert grown < stalled * most, f"{grown // stalled} bytes a client"
            # One that reads on gets all of it, in order, from the table.
            assert read_all(sockets[0], events) == list(range(events))
        finally:
            for client in clients:
                client.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("kind", "application"),
    [
        *((kind, application) for kind in ("daphne", "uvicorn") for application in APPLICATIONS),
        ("daphne", "tests.realtime.serving.wrapped_asgi:behind_a_proxy"),
    ],
)
def test_who_never_reads_on_is_hung_up_on(processes, transactional_db, alice, kind, application):
    quick = {"DJANGO_SETTINGS_MODULE": "tests.realtime.quick_settings"}
    with running_server(kind, application=application, **quick) as server:
        publish(alice, 4000)
        with stalled_client(server, bearer(alice)):
            wait_until(lambda: is_connected(server))
            wait_until(lambda: not is_connected(server))
        assert not [line for line in server.output if "Traceback" in line]


def is_connected(server) -> bool:
    """Whether the server holds an established connection from a client, as the kernel sees it."""
    port = f":{server.port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[1].endswith(port) and row[3] == "01" for row in rows)
