"""Transactions commit in another order than they write."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connections, transaction

from orders.models import Order
from realtime.log.cursor import Cursor

from ..clients import bearer, open_stream
from ..servers import ServerProcess, database_url

WAIT_SECONDS = 20


@pytest.fixture
def server(transactional_db, shared_daphne) -> ServerProcess:
    return shared_daphne.running()


def place(customer: Any, product: str) -> None:
    Order.objects.create(customer=customer, product=product, quantity=1, unit_price="4.50")


def position(id: str) -> int:
    return Cursor.parse(id).position


class OpenTransaction:
    """A transaction that has written, on a connection of its own, and not committed yet."""

    def __init__(self, write: Callable[..., None], *args: Any) -> None:
        self._write = write
        self._args = args
        self._written = threading.Event()
        self._may_commit = threading.Event()
        self._thread = threading.Thread(target=self._run, name="open transaction")

    def __enter__(self) -> "OpenTransaction":
        self._thread.start()
        assert self._written.wait(WAIT_SECONDS)
        return self

    def __exit__(self, *exc: object) -> None:
        self.commit()

    def commit(self) -> None:
        self._may_commit.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            with transaction.atomic():
                self._write(*self._args)
                self._written.set()
                self._may_commit.wait(WAIT_SECONDS)
        finally:
            connections.close_all()


def test_what_commits_late_comes_after_what_a_client_has_seen(server, alice):
    with OpenTransaction(place, alice, "written first") as first:
        with open_stream(server, **bearer(alice)) as stream:
            place(alice, "written second")
            seen = stream.next_event()
            assert seen.json()["product"] == "written second"
        with open_stream(server, cursor=seen.id, **bearer(alice)) as stream:
            first.commit()
            late = stream.next_event()
            assert late.json()["product"] == "written first"
            assert position(late.id) > position(seen.id)
            place(alice, "written third")
            assert stream.next_event().json()["product"] == "written third"


def test_what_commits_late_while_nobody_is_connected_is_replayed(server, alice):
    with (
        OpenTransaction(place, alice, "written first"),
        open_stream(server, **bearer(alice)) as stream,
    ):
        place(alice, "written second")
        seen = stream.next_event()
    with open_stream(server, cursor=seen.id, **bearer(alice)) as stream:
        assert stream.next_event().json()["product"] == "written first"
    with open_stream(server, cursor=0, **bearer(alice)) as stream:
        products = [stream.next_event().json()["product"] for _ in "12"]
        assert products == ["written second", "written first"]


@contextmanager
def open_here(bob: Any) -> Iterator[None]:
    with OpenTransaction(place, bob, "Teapot"):
        yield


@contextmanager
def open_in_another_database(bob: Any) -> Iterator[None]:
    with psycopg.connect(database_url(), dbname="postgres") as session:
        session.execute("CREATE TEMPORARY TABLE teapots ()")  # it has an id and a snapshot now
        yield
        session.rollback()


@pytest.mark.parametrize("left_open", [open_here, open_in_another_database])
def test_nobody_waits_for_a_transaction_that_is_left_open(server, alice, bob, left_open):
    with open_stream(server, **bearer(alice)) as stream, left_open(bob):
        for _ in range(20):
            placed = time.monotonic()
            place(alice, "Espresso cups")
            stream.next_event()
            assert time.monotonic() - placed < 1
