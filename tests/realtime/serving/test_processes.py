"""The whole way, with real server processes: from an order to the stream of its customer."""

import json
import signal
import subprocess
from contextlib import ExitStack

import httpx
import pytest

import realtime
from orders.models import Order
from tests.clients import STREAM, bearer, event_id, open_stream, signed_in
from tests.conftest import PASSWORD
from tests.realtime.resources import SESSIONS_OF_A_HUB, THREADS_OF_A_PROCESS, Resources
from tests.servers import ServerProcess, running_server
from tests.waiting import wait_until


@pytest.fixture
def server(transactional_db, shared_daphne) -> ServerProcess:
    """A daphne process, whose log goes on from test to test."""
    return shared_daphne.running()


@pytest.fixture
def no_process(transactional_db, shared_daphne) -> None:
    shared_daphne.stop()


def place(customer, product="Espresso cups", **fields):
    return Order.objects.create(
        customer=customer, product=product, **{"quantity": 2, "unit_price": "4.50", **fields}
    )


def create_in_the_admin(shop_client, customer, product):
    """Fill in the admin's form, as the shop does."""
    form = "/admin/orders/order/add/"
    shop_client.get(form)
    answer = shop_client.post(
        form,
        data={
            "customer": customer.pk,
            "product": product,
            "quantity": 3,
            "unit_price": "19.90",
            "csrfmiddlewaretoken": shop_client.cookies["csrftoken"],
        },
    )
    assert answer.url.path == "/admin/orders/order/", answer.text


def test_an_order_created_in_the_admin_reaches_its_customer_and_nobody_else(
    server, alice, bob, shop
):
    with (
        signed_in(server, "shop", PASSWORD, page="/admin/login/") as admin,
        open_stream(server, **bearer(alice)) as hers,
        open_stream(server, **bearer(bob)) as his,
    ):
        create_in_the_admin(admin, alice, "Espresso cups")
        event = hers.next_event()
        assert event.event == "orders"
        order = Order.objects.get()
        assert event.json() == {
            "order": order.pk,
            "status": "placed",
            "product": "Espresso cups",
            "quantity": 3,
            "unit_price": "19.90",
            "total": "59.70",
            "customer": "alice",
            "placed_at": order.placed_at.isoformat().replace("+00:00", "Z"),
            "changed_at": order.placed_at.isoformat().replace("+00:00", "Z"),
        }
        # His first event is his own: hers did not come before it.
        create_in_the_admin(admin, bob, "Teapot")
        assert his.next_event().json()["product"] == "Teapot"


def test_a_token_from_the_api_opens_the_stream(server, alice):
    token = httpx.post(
        f"{server.url}/api/token/", json={"username": "alice", "password": PASSWORD}
    ).json()["access"]
    with open_stream(server, Authorization=f"Bearer {token}") as stream:
        place(alice)
        assert stream.next_event().json()["customer"] == "alice"


def test_a_session_opens_the_stream(server, alice):
    with (
        signed_in(server, "alice", PASSWORD) as browser,
        open_stream(server, client=browser) as stream,
    ):
        place(alice)
        assert stream.next_event().json()["customer"] == "alice"


def test_the_staff_sees_everybodys(server, alice, bob, shop):
    with open_stream(server, query="?scope=all", **bearer(shop)) as stream:
        place(alice)
        place(bob)
        assert [stream.next_event().json()["customer"] for _ in "12"] == ["alice", "bob"]


def test_a_client_that_comes_back_gets_what_it_missed_and_goes_on_live(server, alice):
    with open_stream(server, **bearer(alice)) as stream:
        order = place(alice)
        seen = stream.next_event()
    order.status = Order.Status.PAID
    order.save()
    place(alice, "Teapot")
    with open_stream(server, cursor=seen.id, **bearer(alice)) as stream:
        missed = [stream.next_event() for _ in "12"]
        assert [event.json()["status"] for event in missed] == ["paid", "placed"]
        place(alice, "Kettle")
        assert stream.next_event().json()["product"] == "Kettle"


def test_a_client_cut_off_before_its_first_event_misses_nothing(server, alice):
    with open_stream(server, **bearer(alice)) as stream:
        cursor = stream.last_event_id
    place(alice)
    with open_stream(server, cursor=cursor, **bearer(alice)) as stream:
        assert stream.next_event().json()["product"] == "Espresso cups"


def test_a_second_process_gets_it_too_and_takes_over(server, alice):
    with running_server("daphne") as second:
        with (
            open_stream(server, **bearer(alice)) as here,
            open_stream(second, **bearer(alice)) as there,
        ):
            place(alice)
            event = here.next_event()
            same = there.next_event()
            assert (same.id, same.data) == (event.id, event.data)
        place(alice, "Teapot")
        with open_stream(second, cursor=event.id, **bearer(alice)) as stream:
            assert stream.next_event().json()["product"] == "Teapot"


def test_orders_placed_while_no_process_runs_are_not_lost(no_process, alice):
    with running_server("daphne") as first, open_stream(first, **bearer(alice)) as stream:
        cursor = stream.last_event_id
    place(alice)
    with (
        running_server("daphne") as second,
        open_stream(second, cursor=cursor, **bearer(alice)) as stream,
    ):
        assert stream.next_event().json()["product"] == "Espresso cups"


def test_it_runs_under_uvicorn(processes, transactional_db, alice):
    with running_server("uvicorn") as server, open_stream(server, **bearer(alice)) as stream:
        place(alice)
        assert stream.next_event().json()["customer"] == "alice"


def test_curl_reads_the_stream(server, alice):
    begins_after = realtime.current_cursor()
    [header] = [f"{name}: {value}" for name, value in bearer(alice).items()]
    command = ["curl", "-sN", "--max-time", "10", "-H", header, server.url + STREAM]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as curl:
        try:
            assert curl.stdout.readline().startswith("retry: ")
            place(alice)
            lines = iter(curl.stdout.readline, "event: orders\n")
            assert list(lines) == ["event: heartbeat\n", f"id: {begins_after}\n", "data:\n", "\n"]
            assert curl.stdout.readline() == f"id: {event_id(begins_after.position + 1)}\n"
            data = curl.stdout.readline().removeprefix("data: ")
            assert json.loads(data)["product"] == "Espresso cups"
        finally:
            curl.kill()


def test_head_has_the_headers_of_get_and_no_body(server, alice):
    with httpx.stream("HEAD", server.url + STREAM, headers=bearer(alice)) as response:
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "text/event-stream"
        assert response.read() == b""


def test_200_open_streams_hold_no_threads_and_sessions_of_their_own(
    server, django_user_model, sessions
):
    resources = Resources(server)
    customers = [django_user_model.objects.create_user(f"customer-{n}") for n in range(8)]
    headers = [bearer(customer) for customer in customers]
    with ExitStack() as streams:
        opened = [
            streams.enter_context(open_stream(server, **headers[n % len(headers)]))
            for n in range(200)
        ]
        Order.objects.bulk_create(
            Order(customer=customer, product="Teapot", quantity=1, unit_price=1)
            for customer in customers
        )
        for stream in opened:
            assert stream.next_event().json()["product"] == "Teapot"
        assert resources.threads <= THREADS_OF_A_PROCESS
        wait_until(lambda: sessions() <= SESSIONS_OF_A_HUB, otherwise=sessions)


def test_a_client_that_leaves_frees_what_it_held(server, alice):
    resources = Resources(server)
    headers = bearer(alice)
    with open_stream(server, **headers):
        with ExitStack() as streams:
            for _ in range(30):
                streams.enter_context(open_stream(server, **headers))
            full = resources.open_files
        wait_until(lambda: resources.open_files <= full - 30)
    assert not [line for line in server.output if "ERROR" in line or "Traceback" in line]


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_in_time_with_streams_open(processes, transactional_db, alice, kind, with_signal):
    with running_server(kind) as server, ExitStack() as streams:
        for _ in range(5):
            streams.enter_context(open_stream(server, **bearer(alice)))
        server.stop(with_signal, seconds=10)
        assert not [line for line in server.output if "Traceback" in line or "destroyed" in line]


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
def test_clients_are_told_before_it_ends_through_middleware_that_takes_its_time(
    processes, transactional_db, alice, kind
):
    application = "tests.realtime.serving.wrapped_asgi:through_a_channel"
    with (
        running_server(kind, application=application) as server,
        open_stream(server, **bearer(alice)) as stream,
    ):
        server.process.send_signal(signal.SIGTERM)
        assert list(stream._blocks)[-1].retry is not None
