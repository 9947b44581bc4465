"""HTTP/2, which daphne speaks over TLS: many streams of a client share one connection."""

import socket
import ssl
from contextlib import ExitStack

import h2.config
import h2.connection
import h2.events
import h2.settings
import httpx
import pytest

from tests.clients import STREAM, bearer, open_stream
from tests.realtime.resources import Resources
from tests.servers import running_server
from tests.waiting import wait_until

from .test_slow_readers import EACH, EVENTS, QUERIES, is_connected, publish
from .test_tls import certificate  # noqa: F401  the fixture

DEFAULT_WINDOW = 65_535
WIDEST_WINDOW = 2**31 - 1


class Http2Client:
    """A client that says how much it takes, and reads the heads of its responses, and no more."""

    def __init__(self, server, window):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.settimeout(20)
        plain.connect(("127.0.0.1", server.port))
        self.socket = context.wrap_socket(plain)
        self.protocol = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.protocol.initiate_connection()
        if window > DEFAULT_WINDOW:
            setting = h2.settings.SettingCodes.INITIAL_WINDOW_SIZE
            self.protocol.update_settings({setting: window})
            self.protocol.increment_flow_control_window(window - DEFAULT_WINDOW)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.socket.close()

    def get(self, path, headers):
        """Ask, and wait for the head of the response: its number."""
        number = self.protocol.get_next_available_stream_id()
        own = [(":method", "GET"), (":path", path), (":authority", "127.0.0.1")]
        given = [(name.lower(), value) for name, value in headers.items()]
        self.protocol.send_headers(number, [*own, (":scheme", "https"), *given], end_stream=True)
        self.wait_for(h2.events.ResponseReceived, number, bytes_at_once=512)
        return number

    def wait_for(self, kind, number, bytes_at_once=65_536):
        while True:
            self.socket.sendall(self.protocol.data_to_send())
            received = self.socket.recv(bytes_at_once)
            assert received, "the server hung up"
            for event in self.protocol.receive_data(received):
                if isinstance(event, kind) and event.stream_id == number:
                    return


@pytest.fixture
def running(processes, transactional_db, certificate):  # noqa: F811
    """Runs daphne with TLS, with each of the applications."""
    key, pem = certificate

    def running(**environment):
        tls = {"TLS_KEY": str(key), "TLS_CERTIFICATE": str(pem)}
        return running_server("daphne-tls", application=EACH, **tls, **environment)

    return running


def test_who_stops_reading_costs_a_bounded_piece_of_memory(running, alice, bob):
    """Though they have said that they take two gigabytes at once."""
    stalled = 10
    with running() as server, ExitStack() as clients:
        server.url = server.url.replace("http:", "https:")
        http = clients.enter_context(httpx.Client(verify=False, timeout=10))
        reader = clients.enter_context(open_stream(server, client=http, **bearer(bob)))
        publish(alice, EVENTS)
        publish(bob, 1)
        reader.next_event()
        for query in QUERIES:
            before = Resources(server).memory
            for _ in range(stalled):
                client = clients.enter_context(Http2Client(server, WIDEST_WINDOW))
                client.get(STREAM + query, {"Last-Event-ID": "0", **bearer(alice)})
            for _ in range(20):
                publish(bob, 1)
                reader.next_event()
            grown = Resources(server).memory - before
            assert grown < stalled * 512 * 1024, f"{grown // stalled} bytes a client of {query}"


def test_who_never_reads_on_is_hung_up_on_and_keeps_no_core_busy_until_then(running, alice):
    """Where one response alone isn't read, that one; where nothing is, the connection."""
    quick = {"DJANGO_SETTINGS_MODULE": "tests.realtime.quick_settings"}
    headers = {"Last-Event-ID": "0", **bearer(alice)}
    with running(**quick) as server, ExitStack() as clients:
        publish(alice, EVENTS)

        def stalled(window, query):
            client = clients.enter_context(Http2Client(server, window))
            return client, client.get(STREAM + query, headers)

        narrow = [stalled(DEFAULT_WINDOW, query) for query in QUERIES]
        wide = [stalled(WIDEST_WINDOW, query) for query in QUERIES]
        before = Resources(server).cpu_seconds
        for client, number in narrow:
            client.wait_for(h2.events.StreamReset, number)
            client.get("/healthz", {})
        for client, _ in wide:
            wait_until(lambda client=client: not is_connected(server, client.socket), 20)
        # It would be seconds if Twisted were given more than the windows have room for.
        assert Resources(server).cpu_seconds - before < 0.5
        assert not [line for line in server.output if "Could not" in line]
