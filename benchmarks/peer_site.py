"""A peer that runs: one path to read from, one to post to."""

import http.client
import itertools
import json
import time
from collections import deque
from typing import Self

from .pace import Published, at_rate, mark
from .processes import Process
from .streams import Request

STREAM = "/events/"
PUBLISH = "/publish"
TIMEOUT_SECONDS = 30
PUBLISHERS = 8


class PeerSite:
    keeps_order = False

    def __init__(self, name: str, port: int, process: Process) -> None:
        self.name = name
        self.port = port
        self.process = process
        self._orders = itertools.count(1)

    def requests(self, count: int, *, after: str | None = None) -> list[Request]:
        cursor = () if after is None else (f"Last-Event-ID: {after}",)
        return [Request(STREAM, cursor)] * count

    def own_requests(self, count: int) -> list[Request]:
        return self.requests(count)

    def publish(self, per_second: float, seconds: float) -> Published:
        with Publishers(self.port) as publishers:
            return at_rate(per_second, seconds, lambda due: self._post(publishers, due))

    def cursor(self) -> str:
        """The id of an event published now."""
        reader = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        try:
            reader.request("GET", STREAM, headers={"Accept": "text/event-stream"})
            response = reader.getresponse()
            self.publish(1, 1)
            # Some say `id:` before the data and some after it: an event ends with an empty line.
            block: list[str] = []
            while True:
                line = response.readline().decode().strip()
                if line:
                    block.append(line)
                elif any('"load ' in part for part in block):
                    return next(p.partition(":")[2].strip() for p in block if p.startswith("id:"))
                else:
                    block = []
        finally:
            reader.close()

    def _post(self, publishers: "Publishers", count: int) -> None:
        for _ in range(count):
            publishers.post(self._event())

    def _event(self) -> str:
        """What our own stream tells of an order."""
        now = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
        order = {
            "order": next(self._orders),
            "status": "placed",
            "product": mark(),
            "quantity": 2,
            "unit_price": "4.50",
            "total": "9.00",
            "customer": "customer-1",
            "placed_at": now,
            "changed_at": now,
        }
        return json.dumps(order, separators=(",", ":"))


class Publishers:
    """A few connections that post in turn: none waits for the answer to another's post."""

    def __init__(self, port: int) -> None:
        self._idle: deque[http.client.HTTPConnection] = deque(
            http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
            for _ in range(PUBLISHERS)
        )
        self._waiting: deque[http.client.HTTPConnection] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        while self._waiting:
            self._take_answer()
        for connection in self._idle:
            connection.close()

    def post(self, body: str) -> None:
        if not self._idle:
            self._take_answer()
        connection = self._idle.popleft()
        connection.request("POST", PUBLISH, body=body)
        self._waiting.append(connection)

    def _take_answer(self) -> None:
        """Wait for the oldest post to be answered."""
        connection = self._waiting.popleft()
        response = connection.getresponse()
        response.read()
        if response.status >= 300:
            raise RuntimeError(f"A post to port {connection.port} was answered {response.status}.")
        self._idle.append(connection)
