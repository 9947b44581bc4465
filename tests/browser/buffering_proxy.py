"""A proxy that passes on an answer only once it is complete, as some in companies do."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NOT_PASSED_ON = {"connection", "transfer-encoding", "content-length"}


class BufferingProxy(ThreadingHTTPServer):
    # Its end is the end of its threads.
    daemon_threads = False

    def __init__(self, to_port: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.to_port = to_port
        self.waiting: set[HTTPConnection] = set()

    @property
    def port(self) -> int:
        return self.server_address[1]

    def hang_up(self) -> None:
        """On the server: what still waits for the end of a stream need not wait any longer."""
        for connection in tuple(self.waiting):
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    server: BufferingProxy

    def do_GET(self) -> None:
        with (
            closing(HTTPConnection("127.0.0.1", self.server.to_port)) as connection,
            suppress(OSError, HTTPException),  # either side has left
        ):
            connection.request(self.command, self.path, headers=dict(self.headers))
            self.server.waiting.add(connection)
            try:
                answer = connection.getresponse()
                body = answer.read()
            finally:
                self.server.waiting.discard(connection)
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in NOT_PASSED_ON:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *args: object) -> None:
        """Nothing on the tests' output."""


@contextmanager
def running_buffering_proxy(to_port: int) -> Iterator[BufferingProxy]:
    """In front of the server on another port."""
    with BufferingProxy(to_port) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, name="buffering proxy")
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
            proxy.hang_up()
