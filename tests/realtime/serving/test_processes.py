"""The whole way, with real server processes: from an order to the stream of its customer."""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

import realtime
from orders.models import Order
from tests.clients import STREAM, bearer, event_id, open_stream, signed_in
from tests.conftest import PASSWORD
from tests.realtime.resources import SESSIONS_OF_A_HUB, THREADS_OF_A_PROCESS, Resources
from tests.servers import ServerProcess, backlog, running_server
from tests.shared_servers import SharedServer, shared_server
from tests.waiting import wait_until


@pytest.fixture
def server(transactional_db, shared_daphne) -> ServerProcess:
    """A daphne process, whose log goes on from test to test."""
    return shared_daphne.running()


@pytest.fixture(scope="module")
def shared_uvicorn(processes, django_db_setup, django_db_blocker) -> Iterator[SharedServer]:
    yield from shared_server(django_db_blocker, "uvicorn")


@pytest.fixture
def uvicorn(transactional_db, shared_uvicorn) -> ServerProcess:
    """The same of uvicorn."""
    return shared_uvicorn.running()


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


@pytest.mark.skipif(not shutil.which("ss"), reason="no ss (Debian: iproute2)")
@pytest.mark.parametrize("running", ["server", "uvicorn", "site"])
def test_a_crowd_may_wait_to_be_accepted(processes, transactional_db, request, running):
    """A thousand clients that come back at once find a place, and need not try again."""
    server = request.getfixturevalue(running)
    httpx.get(f"{server.url}/healthz").raise_for_status()
    assert backlog(server.port) >= 1_000


def ends_on_ctrl_c(server, user):
    """In time, with streams open, and without a word of complaint."""
    with ExitStack() as streams:
        for _ in range(5):
            streams.enter_context(open_stream(server, **bearer(user)))
        server.stop(signal.SIGINT, seconds=10)
    return not [line for line in server.output if "Traceback" in line or "destroyed" in line]


def test_it_runs_under_uvicorn_until_ctrl_c(uvicorn, alice):
    with open_stream(uvicorn, **bearer(alice)) as stream:
        place(alice)
        assert stream.next_event().json()["customer"] == "alice"
    assert ends_on_ctrl_c(uvicorn, alice)


def test_orders_placed_after_ctrl_c_while_no_process_runs_are_not_lost(server, alice):
    with open_stream(server, **bearer(alice)) as stream:
        cursor = stream.last_event_id
    assert ends_on_ctrl_c(server, alice)
    place(alice)
    with (
        running_server("daphne") as another,
        open_stream(another, cursor=cursor, **bearer(alice)) as stream,
    ):
        assert stream.next_event().json()["product"] == "Espresso cups"


def test_on_sigterm_it_tells_its_clients_and_ends_in_time(processes, transactional_db, alice):
    """One after the other, over some seconds, and through middleware that takes its time, too."""
    application = "tests.realtime.serving.wrapped_asgi:each"
    with ExitStack() as stack:
        servers = [
            stack.enter_context(running_server(kind, application=application))
            for kind in ("daphne", "uvicorn")
        ]
        opened = [
            stack.enter_context(open_stream(server, query=query, **bearer(alice)))
            for server in servers
            for query in ("", "", "?channel")
        ]
        for server in servers:
            server.process.send_signal(signal.SIGTERM)
        for stream in opened:
            assert list(stream._blocks)[-1].retry is not None
        for server in servers:
            server.process.wait(10)
            printed = "".join(server.output)
            assert "Traceback" not in printed
            assert "destroyed" not in printed
