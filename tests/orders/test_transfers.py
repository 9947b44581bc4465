"""Imports and exports of orders, by the worker of a task."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone, translation
from django_tasks_db.models import DBTaskResult

from orders.models import Order
from orders.transfers import importing, tasks
from orders.transfers.models import WAITS_LONG, Transfer
from orders.transfers.tasks import SILENT, end_if_silent, run_transfer
from realtime import topic_of
from realtime.bell import notify
from realtime.models import OutboxEvent

from ..servers import ROOT, database_url
from ..waiting import wait_until
from .pages import page_of, shown_text
from .samples import an_order, number_waiting

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
    assert told_by_the_bell() == [(topic_of(shop), "transfers.import_done", "tea.csv", page)]


def test_the_notification_of_an_export_leads_to_the_file(clerk, shop, alice):
    an_order(alice).save()
    clerk.post(reverse("transfer_export"))
    transfer = work()
    [(_, kind, title, url)] = told_by_the_bell()
    assert (kind, title) == ("transfers.export_done", transfer.name)
    assert b"alice,Tea" in clerk.get(url).content


def test_one_that_fails_is_told_of_and_one_that_was_cancelled_is_not(clerk, shop, monkeypatch):
    def break_off(transfer):
        raise RuntimeError("full")
        yield

    monkeypatch.setitem(tasks.WORK, "export", break_off)
    clerk.post(reverse("transfer_export"))
    name = work().name
    told = [(topic_of(shop), "transfers.export_failed", name, reverse("transfers"))]
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
    assert [(line, column) for line, column, *_ in transfer.errors] == [
        (3, "customer"),
        (4, "product"),
        (5, "quantity"),
        (6, "quantity"),
    ]
    page = shown_text(page_of(clerk.get(reverse("transfers"))))
    assert "Line 3, customer : There is no customer “nobody”." in page


def test_of_a_line_with_several_errors_each_column_is_named_and_the_line_counts_once(clerk, alice):
    send(clerk, HEADER, "alice,,many,4.50")
    transfer = work()
    assert transfer.error_count == 1
    assert [(line, column) for line, column, *_ in transfer.errors] == [
        (2, "product"),
        (2, "quantity"),
    ]


@pytest.mark.parametrize(
    ("line", "sentence", "in_german"),
    [
        ("nobody,Tea,2,4.50", "no customer “nobody”.", "keinen Kunden „nobody“."),
        ("alice,,2,4.50", "It is empty.", "Da steht nichts."),
        ("alice,Tea,1.5,4.50", "“1.5” is not a whole number.", "„1.5“ ist keine ganze Zahl."),
        ("alice,Tea,2,NaN", "“NaN” is not a number.", "„NaN“ ist keine Zahl."),
        ("alice,Tea,0,4.50", "to be 1 or more.", "mindestens 1 sein."),
        ("alice,Tea,1000001,4.50", "or less.", "höchstens"),
        (f"alice,{'x' * 201},1,4.50", "longer than 200 characters.", "länger als 200 Zeichen."),
        ("alice,Tea,1,4.505", "more than 2 decimal places.", "mehr als 2 Nachkommastellen."),
        ("alice,Tea,1,123456789", "8 digits before the decimal point.", "8 Stellen vor dem Komma."),
        ("alice,Tea,1,1234567890123", "more than 10 digits.", "mehr als 10 Ziffern."),
    ],
)
def test_what_is_wrong_is_said_in_the_language_of_whoever_reads_it(
    clerk, alice, line, sentence, in_german
):
    send(clerk, HEADER, line)
    with translation.override("es"):  # the worker's own
        assert work().error_count == 1
    for language, expected in (("en", sentence), ("de", in_german)):
        response = clerk.get(reverse("transfers"), headers={"Accept-Language": language})
        assert expected in shown_text(page_of(response))


def test_what_somebody_has_noted_by_hand_breaks_no_page(clerk, shop):
    errors = [[2, "product", "odd", {}], [3, "product", "min_value", {}]]
    Transfer.objects.create(kind="import", started_by=shop, name="x", state="done", errors=errors)
    page = shown_text(page_of(clerk.get(reverse("transfers"))))
    assert page.count("It can’t be taken as it is.") == 2


def test_of_one_that_no_worker_takes_the_page_says_what_to_do_and_it_waits_on(clerk, alice):
    words = "No worker has taken it yet"
    send(clerk, HEADER, "alice,Tea,1,1")
    page = reverse("transfers")
    assert words not in shown_text(page_of(clerk.get(page)))
    Transfer.objects.update(created_at=timezone.now() - WAITS_LONG - timedelta(seconds=1))
    assert words in shown_text(page_of(clerk.get(page)))
    assert work().state == "done"
    assert words not in shown_text(page_of(clerk.get(page)))


def test_the_bell_says_whether_it_was_an_import_and_how_many_lines_were_wrong(clerk, alice):
    send(clerk, HEADER, *["alice,Tea,2,4.50"] * 3, "nobody,Tea,2,4.50")
    work()
    number_waiting()
    page = shown_text(page_of(clerk.get("/notifications/")))
    assert "Import done · orders.csv 3 orders placed · 1 line with errors" in page


def test_the_bell_says_how_many_orders_an_export_has(clerk, alice):
    an_order(alice).save()
    clerk.post(reverse("transfer_export"))
    name = work().name
    number_waiting()
    page = shown_text(page_of(clerk.get("/notifications/")))
    assert f"Export done · {name} 1 order " in page


def test_a_notification_that_somebody_has_written_by_hand_breaks_no_page(clerk, shop):
    transfer = Transfer.objects.create(kind="import", started_by=shop, name="x")
    notify(shop, "transfers.import_done", transfer, title="x", placed="many", errors=None)
    number_waiting()
    page = shown_text(page_of(clerk.get("/notifications/")))
    assert "Import done · x 0 orders placed" in page


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["customer,product"], "it lacks quantity, unit_price"),
        ([""], "The submitted file is empty"),
        ([HEADER, "alice,Tea\0,1,1"], "not text in UTF-8"),
        ([HEADER, "alice,Tea,1,1", "alice," + "x" * 200_000 + ",1,1"], "Line 3 is not CSV"),
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


def started(shop, **fields) -> Transfer:
    """An import that a worker has worked on until two minutes ago."""
    return Transfer.objects.create(
        **{
            "kind": "import",
            "state": "running",
            "name": "orders.csv",
            "started_by": shop,
            "started_at": timezone.now() - 2 * SILENT,
            "heard_at": timezone.now() - 2 * SILENT,
            "done": 100,
            "total": 500,
            **fields,
        }
    )


def looks() -> int:
    """How often it is to be looked later whether a worker lives."""
    later = DBTaskResult.objects.filter(run_after__gt=timezone.now() + SILENT / 2)
    return later.filter(task_path__endswith="end_if_silent").count()


def test_whoever_works_on_one_is_looked_after_by_another_worker(clerk, alice):
    send(clerk, HEADER, "alice,Tea,1,1")
    work()
    assert looks() == 1


def test_one_whose_worker_has_died_ends_as_failed_and_its_user_is_told(clerk, shop):
    transfer = started(shop)
    end_if_silent.call(transfer.pk)
    assert told()[-1]["state"] == "failed"
    kind = "transfers.import_failed"
    assert told_by_the_bell() == [(topic_of(shop), kind, "orders.csv", reverse("transfers"))]
    assert "It has stopped early" in shown_text(page_of(clerk.get(reverse("transfers"))))
    assert looks() == 0


def test_one_that_was_to_be_cancelled_and_whose_worker_has_died_is_cancelled(clerk, shop):
    transfer = started(shop, is_cancel_wanted=True)
    end_if_silent.call(transfer.pk)
    assert told()[-1]["state"] == "cancelled"
    assert told_by_the_bell() == []


def test_one_whose_worker_lives_goes_on_and_is_looked_at_again(shop):
    transfer = started(shop, heard_at=timezone.now() - SILENT / 2)
    end_if_silent.call(transfer.pk)
    transfer.refresh_from_db()
    assert transfer.state == "running"
    assert looks() == 1


def test_a_worker_that_was_only_away_places_nothing_more(clerk, alice, monkeypatch, caplog):
    send(clerk, HEADER, *["alice,Tea,1,1"] * 500)
    transfer = Transfer.objects.get()
    place = importing._place

    def be_away(*batch):
        place(*batch)
        Transfer.objects.update(heard_at=timezone.now() - 2 * SILENT)
        end_if_silent.call(transfer.pk)

    monkeypatch.setattr(importing, "_place", be_away)
    assert (work().state, Order.objects.count()) == ("failed", 100)
    assert len(told_by_the_bell()) == 1
    assert "was ended while its worker was away" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_of_a_worker_that_is_killed_the_next_one_says_so(clerk, shop, alice, processes):
    send(clerk, HEADER, *["alice,Tea,1,1"] * 20_000)
    command = [sys.executable, "manage.py", "db_worker", "--interval", "0.1", "--no-startup-delay"]
    environment = {**os.environ, "DATABASE_URL": database_url()}
    with subprocess.Popen([*command, "--no-reload"], cwd=ROOT, env=environment) as worker:
        try:
            wait_until(lambda: Transfer.objects.values_list("done", flat=True).get(), 60)
        finally:
            worker.kill()
    transfer = Transfer.objects.get()
    assert transfer.state == "running"
    # A minute later:
    Transfer.objects.update(heard_at=transfer.heard_at - SILENT)
    DBTaskResult.objects.filter(task_path__endswith="end_if_silent").update(
        run_after=timezone.now() - timedelta(seconds=1)
    )
    call_command("db_worker", batch=True, interval=0, startup_delay=False, reload=False)
    transfer.refresh_from_db()
    assert transfer.state == "failed"
    # What it says of itself is what is there.
    assert 0 < transfer.done == Order.objects.count() < 20_000
    assert [kind for _, kind, *_ in told_by_the_bell()] == ["transfers.import_failed"]


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


def test_only_who_may_start_one_is_asked_whether_they_want_to_be_told(clerk, alice):
    choices, group = reverse("bell:choices"), "Imports and exports"
    assert group in shown_text(page_of(clerk.get(choices)))
    clerk.force_login(alice)
    assert group not in shown_text(page_of(clerk.get(choices)))


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
