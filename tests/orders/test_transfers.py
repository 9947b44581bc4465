"""Imports and exports of orders, by the worker of a task."""

import json
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.urls import reverse

from orders.models import Order
from orders.transfers import importing, tasks
from orders.transfers.models import Transfer
from orders.transfers.tasks import run_transfer
from realtime import topic_of
from realtime.models import OutboxEvent

from .samples import an_order

pytestmark = pytest.mark.django_db
HEADER = "customer,product,quantity,unit_price"


@pytest.fixture
def clerk(client, shop):
    """The browser of the shop's admin."""
    client.force_login(shop)
    return client


def send(client, *lines: str, name: str = "orders.csv"):
    """Upload a file of these lines."""
    file = SimpleUploadedFile(name, "\n".join(lines).encode())
    return client.post(reverse("transfer_import"), {"file": file})


def work() -> Transfer:
    """What the worker of another process does; the transfer as it is then."""
    transfer = Transfer.objects.get()
    run_transfer.call(transfer.pk)
    transfer.refresh_from_db()
    return transfer


def told() -> list[dict]:
    """What has been published of transfers, oldest first."""
    events = OutboxEvent.objects.filter(type="transfer").order_by("id")
    return [json.loads(event.data) for event in events]


def test_orders_come_out_of_a_file_with_an_event_each(clerk, alice, bob):
    lines = [f"alice,Tea {number},2,4.50" for number in range(150)]
    assert send(clerk, HEADER, *lines, "bob,Espresso cups,6,24").status_code == 302
    assert not Order.objects.exists()  # the request only notes what is to be done
    transfer = work()
    assert (transfer.state, transfer.done, transfer.total) == ("done", 151, 151)
    assert Order.objects.filter(customer=alice).count() == 150
    order = Order.objects.get(customer=bob)
    assert (order.product, order.quantity, order.unit_price) == ("Espresso cups", 6, Decimal(24))
    assert OutboxEvent.objects.filter(type="orders").count() == 151


def told_by_the_bell() -> list[tuple[str, str, str, str]]:
    """To whom, of which kind, by which title and where it leads."""
    events = OutboxEvent.objects.filter(type="bell.notification", data__contains="transfers.")
    told = [(event.topic, json.loads(event.data)) for event in events.order_by("id")]
    return [(topic, data["kind"], data["title"], data["url"]) for topic, data in told]


def test_whoever_has_started_it_is_told_by_the_bell_when_it_is_through(clerk, shop, alice):
    send(clerk, HEADER, "alice,Tea,2,4.50", name="tea.csv")
    work()
    page = reverse("transfers")
    assert told_by_the_bell() == [(topic_of(shop), "transfers.done", "tea.csv", page)]


def test_the_notification_of_an_export_leads_to_the_file(clerk, shop, alice):
    an_order(alice).save()
    clerk.post(reverse("transfer_export"))
    transfer = work()
    [(_, kind, title, url)] = told_by_the_bell()
    assert (kind, title) == ("transfers.done", transfer.name)
    assert b"alice,Tea" in clerk.get(url).content


def test_one_that_fails_is_told_of_and_one_that_was_cancelled_is_not(clerk, shop, monkeypatch):
    def break_off(transfer):
        raise RuntimeError("full")
        yield

    monkeypatch.setitem(tasks.WORK, "export", break_off)
    clerk.post(reverse("transfer_export"))
    name = work().name
    told = [(topic_of(shop), "transfers.failed", name, reverse("transfers"))]
    assert told_by_the_bell() == told
    cancelled = Transfer.objects.create(kind="export", started_by=shop, name="x", state="cancelled")
    cancelled.finish()
    assert told_by_the_bell() == told


def test_a_line_with_an_error_is_named_and_the_others_stand(clerk, alice):
    send(
        clerk,
        HEADER,
        "alice,Tea,2,4.50",
        "nobody,Tea,2,4.50",
        "alice,,2,4.50",
        "alice,Tea,0,4.50",
        "alice,Tea,many,4.50",
        "alice,Coffee,1,3",
    )
    transfer = work()
    assert [order.product for order in Order.objects.order_by("pk")] == ["Tea", "Coffee"]
    assert transfer.error_count == 4
    assert [line for line, _ in transfer.errors] == [3, 4, 5, 6]
    page = clerk.get(reverse("transfers")).content.decode()
    assert "Line 3: There is no customer “nobody”." in page


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["customer,product"], "it lacks quantity, unit_price"),
        ([""], "The submitted file is empty"),
    ],
)
def test_a_file_that_cant_be_read_is_refused_with_the_reason(clerk, lines, problem):
    response = send(clerk, *lines)
    assert response.status_code == 400
    assert problem in response.content.decode()
    assert not Transfer.objects.exists()


def test_bytes_that_are_no_text_are_refused(clerk):
    file = SimpleUploadedFile("orders.xlsx", b"PK\xff\xfe")
    response = clerk.post(reverse("transfer_import"), {"file": file})
    assert "not text in UTF-8" in response.content.decode()


def test_each_state_is_told_and_the_last_is_what_the_page_shows(clerk, alice):
    send(clerk, HEADER, *["alice,Tea,1,1"] * 3)
    transfer = work()
    events = told()
    assert [event["state"] for event in events][:2] == ["waiting", "running"]
    assert events[-1] == transfer.event_data()
    assert (events[-1]["done"], events[-1]["total"], events[-1]["state"]) == (3, 3, "done")
    changes = [event["changes"] for event in events]
    assert changes == sorted(set(changes))
    # Of a key only the newest is kept, and it is the shop's alone.
    rows = OutboxEvent.objects.filter(type="transfer")
    assert set(rows.values_list("key", "topic")) == {
        ("progress", f"transfers.transfer:{transfer.pk}")
    }


def test_an_import_is_cancelled_where_it_is(clerk, alice, monkeypatch):
    monkeypatch.setattr("orders.transfers.tasks.TELL_EVERY_SECONDS", 0)
    send(clerk, HEADER, *["alice,Tea,1,1"] * 500)
    transfer = Transfer.objects.get()
    place = importing._place

    def cancel_meanwhile(*batch):
        place(*batch)
        clerk.post(reverse("transfer_cancel", args=[transfer.pk]))

    monkeypatch.setattr(importing, "_place", cancel_meanwhile)
    transfer = work()
    assert (transfer.state, transfer.done) == ("cancelled", 100)
    assert Order.objects.count() == 100


def test_what_waits_is_cancelled_at_once(clerk, alice):
    send(clerk, HEADER, "alice,Tea,1,1")
    clerk.post(reverse("transfer_cancel", args=[Transfer.objects.get().pk]))
    assert work().state == "cancelled"
    assert not Order.objects.exists()
    assert told()[-1]["state"] == "cancelled"


def test_all_orders_are_exported_to_a_file_that_no_spreadsheet_runs(clerk, alice):
    for product in ("Tea", "=HYPERLINK(1)"):
        an_order(alice, product=product).save()
    clerk.post(reverse("transfer_export"))
    transfer = work()
    assert (transfer.state, transfer.done, transfer.total) == ("done", 2, 2)
    response = clerk.get(reverse("transfer_file", args=[transfer.pk]))
    assert response.headers["Content-Disposition"].startswith('attachment; filename="orders-')
    header, first, second = response.content.decode().splitlines()
    assert header == "order,customer,product,quantity,unit_price,status,placed_at"
    assert ",alice,Tea,2,4.50,placed," in first
    assert ",'=HYPERLINK(1)," in second


def test_a_transfer_that_fails_says_so(clerk, alice, monkeypatch, caplog):
    monkeypatch.setattr("orders.transfers.importing._order_of", lambda row, customers: 1 / 0)
    send(clerk, HEADER, "alice,Tea,1,1")
    assert work().state == "failed"
    assert "has failed" in caplog.text


@pytest.mark.parametrize("name", ["transfers", "transfer_import", "transfer_export"])
def test_they_are_for_the_staff(client, alice, name):
    client.force_login(alice)
    ask = client.get if name == "transfers" else client.post
    assert ask(reverse(name)).status_code == 403
    alice.user_permissions.add(Permission.objects.get(codename="view_order"))
    allowed = {"transfers": 200, "transfer_import": 403, "transfer_export": 302}
    assert ask(reverse(name)).status_code == allowed[name]


@pytest.mark.django_db(transaction=True)
def test_a_worker_takes_what_waits(clerk, alice):
    send(clerk, HEADER, "alice,Tea,1,1")
    call_command("db_worker", batch=True, interval=0, startup_delay=False, reload=False)
    assert Transfer.objects.get().state == "done"
    assert Order.objects.count() == 1
