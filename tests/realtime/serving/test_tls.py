"""TLS that the server ends itself: nothing that it sends may be readable on the wire."""

import datetime
import ipaddress
import socket
import ssl
from contextlib import contextmanager

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import realtime
from tests.clients import STREAM, bearer, open_stream
from tests.shared_servers import shared_server

SECRET = "only Alice may read this"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A key and its certificate for 127.0.0.1, as the paths of two PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return folder / "key.pem", folder / "certificate.pem"


@pytest.fixture(scope="module", params=["daphne-tls", "uvicorn-tls"])
def shared_tls_server(request, processes, django_db_setup, django_db_blocker, certificate):
    key, pem = certificate
    tls = {"TLS_KEY": str(key), "TLS_CERTIFICATE": str(pem)}
    yield from shared_server(django_db_blocker, request.param, **tls)


@pytest.fixture
def tls_server(transactional_db, shared_tls_server):
    server = shared_tls_server.running()
    server.url = server.url.replace("http:", "https:")
    return server


@contextmanager
def tls_client(server):
    """A TLS client that keeps what came over the wire: gives `exchange(request, until)`."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing)
    wire = bytearray()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:

        def step(action):
            while True:
                try:
                    result = action()
                except ssl.SSLWantReadError:
                    result = None
                if sent := outgoing.read():
                    connection.sendall(sent)
                if result is not None:
                    return result
                received = connection.recv(65536)
                assert received, "the server hung up"
                wire.extend(received)
                incoming.write(received)

        def exchange(request, until):
            step(lambda: tls.write(request) if request else 0)
            text = b""
            while until not in text:
                text += step(lambda: tls.read(65536))
            return text, bytes(wire)

        step(lambda: tls.do_handshake() or True)
        yield exchange


def test_nothing_that_is_streamed_over_tls_can_be_read_on_the_wire(tls_server, alice):
    headers = "".join(f"{name}: {value}\r\n" for name, value in bearer(alice).items())
    request = f"GET {STREAM} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n".encode()
    with tls_client(tls_server) as exchange:
        exchange(request, until=b"event: heartbeat")
        realtime.publish(to=alice, type="orders", data={"secret": SECRET}, stream="default")
        _, wire = exchange(b"", until=SECRET.encode())
    for readable in (SECRET.encode(), b"event: ", b"data: "):
        assert readable not in wire


@pytest.mark.parametrize("shared_tls_server", ["daphne-tls"], indirect=True)
def test_a_stream_works_over_http_2(tls_server, alice):
    with (
        httpx.Client(verify=False, http2=True, timeout=10) as client,
        open_stream(tls_server, client=client, **bearer(alice)) as stream,
    ):
        assert stream.response.http_version == "HTTP/2"
        for number in range(3):
            realtime.publish(to=alice, type="orders", data={"n": number}, stream="default")
            assert stream.next_event().json() == {"n": number}
