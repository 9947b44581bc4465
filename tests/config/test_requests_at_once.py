"""How many requests are worked on at a time, and what becomes of the others."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from config.requests_at_once import MOST_WAITING, limited
from tests.clients import WAIT_SECONDS, bearer
from tests.conftest import PASSWORD
from tests.servers import database_url, running_server
from tests.waiting import soon

REQUEST = {"type": "http.request", "body": b"", "more_body": False}
LEFT = {"type": "http.disconnect"}


class Site:
    """An application that answers when it is told to, and what it was given."""

    def __init__(self) -> None:
        self.at_work: list[str] = []
        self.most_at_once = 0
        self.answer = asyncio.Event()
        self.application = limited(self._work, requests=2, sign_ins=1)

    async def _work(self, scope, receive, send):
        message = await receive()
        while message.get("more_body"):
            message = await receive()
        if message["type"] == "http.disconnect":
            return
        self.at_work.append(scope["path"])
        self.most_at_once = max(self.most_at_once, len(self.at_work))
        await self.answer.wait()
        self.at_work.remove(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    def ask(self, path="/", *, method="GET", messages=(REQUEST,)):
        return Request(self, {"type": "http", "path": path, "method": method}, messages)


class Request:
    def __init__(self, site, scope, messages) -> None:
        self.status = None
        self.headers = {}
        self._messages: asyncio.Queue = asyncio.Queue()
        for message in messages:
            self._messages.put_nowait(message)
        self.task = asyncio.create_task(site.application(scope, self._messages.get, self._send))

    async def _send(self, message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])

    def leave(self) -> None:
        self._messages.put_nowait(LEFT)


async def settle() -> None:
    """Let everything happen that waits for nothing."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_no_more_are_worked_on_than_may_be_and_all_get_their_turn():
    site = Site()
    requests = [site.ask(str(number)) for number in range(10)]
    await settle()
    assert site.at_work == ["0", "1"]
    site.answer.set()
    await soon(asyncio.gather(*(request.task for request in requests)))
    assert {request.status for request in requests} == {200}
    assert site.most_at_once == 2


async def test_who_leaves_while_they_wait_is_not_worked_on():
    site = Site()
    first, second, third, fourth = (site.ask(str(number)) for number in range(4))
    await settle()
    third.leave()
    await soon(third.task)
    site.answer.set()
    await soon(asyncio.gather(first.task, second.task, fourth.task))
    assert third.status is None
    assert fourth.status == 200


async def test_who_is_slow_to_send_a_body_holds_up_nobody():
    site = Site()
    slow = [site.ask("slow", messages=[{**REQUEST, "more_body": True}]) for _ in range(5)]
    request = site.ask("quick")
    site.answer.set()
    await soon(request.task)
    for one in slow:
        one.leave()
        await soon(one.task)


async def test_one_too_many_is_sent_away_with_a_time_to_come_back():
    site = Site()
    requests = [site.ask() for _ in range(2 + 2 * MOST_WAITING)]
    await settle()
    last = site.ask()
    await soon(last.task)
    assert last.status == 503
    assert int(last.headers[b"retry-after"]) > 0
    site.answer.set()
    await soon(asyncio.gather(*(request.task for request in requests)))
    assert {request.status for request in requests} == {200}


async def test_sign_ins_hold_up_nobody_but_sign_ins():
    site = Site()
    signing_in = [site.ask("/api/token/", method="POST") for _ in range(5)]
    await settle()
    order = site.ask("/api/orders/", method="POST")
    await settle()
    assert site.at_work == ["/api/token/", "/api/orders/"]
    site.answer.set()
    await soon(asyncio.gather(order.task, *(request.task for request in signing_in)))


async def test_an_error_ends_its_turn():
    async def fail(scope, receive, send):
        await receive()
        raise RuntimeError

    application = limited(fail, requests=1, sign_ins=1)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            await soon(application({"type": "http", "method": "GET", "path": "/"}, received, print))


async def received():
    return REQUEST


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
def test_a_crowd_with_wrong_passwords_leaves_room_for_orders(
    transactional_db, processes, alice, kind
):
    """150 at once, which on their own would take a session each, and more than there are."""
    wrong = {"username": "alice", "password": "wrong"}
    order = {"product": "Teapot", "quantity": 1, "unit_price": "12.50"}
    with (
        running_server(kind) as server,
        ThreadPoolExecutor(150) as crowd,
        httpx.Client(base_url=server.url, timeout=60, limits=httpx.Limits()) as client,
        psycopg.connect(database_url(), autocommit=True) as watcher,
    ):
        guesses = [crowd.submit(client.post, "/api/token/", json=wrong) for _ in range(150)]
        for _ in range(20):
            answer = client.post(
                "/api/orders/", json=order, headers=bearer(alice), timeout=WAIT_SECONDS
            )
            assert answer.status_code == 201, answer.text
            sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            assert watcher.execute(sessions).fetchone()[0] < 40
        answers = {guess.result().status_code for guess in guesses}
        assert answers <= {401, 429, 503}, "".join(server.output)
        right = client.post("/api/token/", json={**wrong, "password": PASSWORD})
        assert right.status_code == 429
