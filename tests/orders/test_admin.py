import re
import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.admin import site
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from orders.admin import OrderAdmin, skipped_text
from orders.models import Order
from orders.status import Status

from .locks import wait_until_somebody_waits_for_a_row
from .samples import an_order, told

pytestmark = pytest.mark.django_db

LIST = reverse("admin:orders_order_changelist")
ADD = reverse("admin:orders_order_add")


@pytest.fixture
def admin(client, shop):
    """The browser of the shop's admin."""
    client.force_login(shop)
    return client


def change(order):
    return reverse("admin:orders_order_change", args=[order.pk])


def placed(customer, status="placed", **values):
    order = an_order(customer, **values)
    order.save()
    for step in {"placed": [], "paid": ["paid"], "shipped": ["paid", "shipped"]}[status]:
        order.status = step
        order.save()
    return order


def act(client, action, *orders, **more):
    return client.post(
        LIST, {"action": action, "_selected_action": [order.pk for order in orders], **more}
    )


def said(response):
    return [(message.level_tag, message.message) for message in get_messages(response.wsgi_request)]


def form_values(response):
    """What a browser would send back: the form's fields as they are shown."""
    form = response.context["adminform"].form
    return {name: form[name].value() for name in form.fields}


def statuses_offered(response):
    return [value for value, _ in response.context["adminform"].form.fields["status"].choices]


def test_an_order_placed_in_the_admin_tells_its_customer(admin, alice):
    response = admin.post(
        ADD, {"customer": alice.pk, "product": "Tea", "quantity": 3, "unit_price": "4.50"}
    )
    assert response.status_code == 302
    order = Order.objects.get()
    assert (order.customer, order.total, order.status) == (alice, Decimal("13.50"), "placed")
    assert told() == [(order.pk, "placed")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"quantity": "0"},
        {"quantity": "-3"},
        {"quantity": "9" * 30},
        {"unit_price": "-1"},
        {"unit_price": "NaN"},
        {"unit_price": "1.001"},
        {"product": "   "},
        {"product": "nul \0"},
        {"customer": "0"},
    ],
)
def test_the_form_refuses_what_makes_no_order(admin, alice, wrong):
    values = {"customer": alice.pk, "product": "Tea", "quantity": 3, "unit_price": "4.50"}
    response = admin.post(ADD, {**values, **wrong})
    assert response.status_code == 200
    assert list(response.context["adminform"].form.errors) == list(wrong)
    assert not Order.objects.exists()


def test_the_list_shows_each_order_with_its_total(admin, alice):
    order = placed(alice, quantity=3, unit_price=Decimal("4.50"))
    page = admin.get(LIST).content.decode()
    row = dict(re.findall(r'class="(?:nowrap )?field-(\w+)[^>]*>(?:<a[^>]*>)?([^<]*)<', page))
    assert row["id"] == str(order.pk)
    assert row["customer"] == "alice"
    assert row["total"] == "13.50"
    assert row["status"] == "Placed"
    assert "placed_at" in row


def test_the_list_takes_the_same_number_of_queries_however_long(
    admin, alice, bob, django_assert_num_queries, django_assert_max_num_queries
):
    placed(alice)
    with django_assert_max_num_queries(14) as one:
        admin.get(LIST)
    for customer in (alice, bob) * 5:
        placed(customer)
    with django_assert_num_queries(len(one)):
        admin.get(LIST)


@pytest.mark.parametrize("search", ["ali", "alice@example", "green te", "number"])
def test_orders_are_found_by_customer_product_and_number(admin, alice, bob, search):
    alice.email = "alice@example.org"
    alice.save()
    order = placed(alice, product="Green tea")
    placed(bob, product="Coffee")
    query = str(order.pk) if search == "number" else search
    response = admin.get(LIST, {"q": query})
    assert list(response.context["cl"].queryset) == [order]


def test_orders_are_found_where_users_have_no_username(admin, alice, monkeypatch):
    # As a user model of one's own says it, whose users sign in by their e-mail address.
    monkeypatch.setattr(type(alice), "USERNAME_FIELD", "email")
    alice.email = "alice@example.org"
    alice.save()
    order = placed(alice)
    names = OrderAdmin(Order, site).get_search_fields(None)
    assert names == ["product", "customer__email", "=id"]
    assert list(admin.get(LIST, {"q": "alice@ex"}).context["cl"].queryset) == [order]


def test_the_list_is_filtered_by_status_and_by_date(admin, alice):
    order = placed(alice, "paid")
    placed(alice)
    old = placed(alice, placed_at=timezone.now() - timedelta(days=800))
    assert list(admin.get(LIST, {"status__exact": "paid"}).context["cl"].queryset) == [order]
    year = {"placed_at__year": old.placed_at.year}
    assert list(admin.get(LIST, year).context["cl"].queryset) == [old]


def test_the_list_is_sorted_by_total(admin, alice):
    dear = placed(alice, quantity=1, unit_price=100)
    cheap = placed(alice, quantity=10, unit_price=1)
    column = OrderAdmin.list_display.index("total") + 1
    assert list(admin.get(LIST, {"o": column}).context["cl"].result_list) == [cheap, dear]
    assert list(admin.get(LIST, {"o": -column}).context["cl"].result_list) == [dear, cheap]


def test_customers_are_found_while_typing(admin, alice, bob):
    response = admin.get(
        reverse("admin:autocomplete"),
        {"term": "ali", "app_label": "orders", "model_name": "order", "field_name": "customer"},
    )
    assert [found["text"] for found in response.json()["results"]] == ["alice"]
    assert "admin-autocomplete" in admin.get(ADD).content.decode()


@pytest.mark.parametrize(
    ("status", "offered"),
    [
        ("placed", ["placed", "paid", "cancelled"]),
        ("paid", ["paid", "shipped", "cancelled"]),
        ("shipped", ["shipped", "delivered"]),
    ],
)
def test_the_form_offers_only_where_the_order_can_go(admin, alice, status, offered):
    order = placed(alice, status)
    response = admin.get(change(order))
    assert statuses_offered(response) == offered
    response = admin.post(change(order), {**form_values(response), "status": "lost"})
    assert "status" in response.context["adminform"].form.errors


def test_a_change_in_the_form_tells_the_customer_once(admin, alice):
    order = placed(alice)
    values = form_values(admin.get(change(order)))
    assert admin.post(change(order), values).status_code == 302
    assert admin.post(change(order), {**values, "status": "paid"}).status_code == 302
    assert told() == [(order.pk, "placed"), (order.pk, "paid")]


def test_the_form_shows_the_total_and_keeps_the_customer(admin, alice, bob):
    order = placed(alice, quantity=3, unit_price=Decimal("4.50"))
    response = admin.get(change(order))
    assert "13.50" in response.content.decode()
    values = {**form_values(response), "customer": bob.pk, "total": "1", "placed_at": "2020-01-01"}
    assert admin.post(change(order), values).status_code == 302
    saved = Order.objects.get()
    assert (saved.customer, saved.total, saved.placed_at) == (alice, order.total, order.placed_at)


def test_a_form_opened_before_somebody_else_moved_the_order_is_refused(admin, alice):
    order = placed(alice)
    values = form_values(admin.get(change(order)))
    order.status = "cancelled"
    order.save()
    response = admin.post(change(order), {**values, "status": "paid"})
    assert "status" in response.context["adminform"].form.errors
    assert told() == [(order.pk, "placed"), (order.pk, "cancelled")]


def test_a_move_between_validation_and_save_is_a_message_and_no_crash(admin, alice, monkeypatch):
    order = placed(alice)
    values = form_values(admin.get(change(order)))

    def meanwhile(self, request, obj, form, change):
        other = Order.objects.get(pk=obj.pk)
        other.status = "cancelled"
        other.save()
        obj.save()

    monkeypatch.setattr(OrderAdmin, "save_model", meanwhile)
    response = admin.post(change(order), {**values, "status": "paid"})
    assert (response.status_code, response.url) == (302, change(order))
    assert said(response) == [
        ("error", "An order that is “Cancelled” can't become “Paid”: that status is final.")
    ]


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("mark_as_paid", "placed", "paid"),
        ("mark_as_shipped", "paid", "shipped"),
        ("mark_as_delivered", "shipped", "delivered"),
        ("cancel", "paid", "cancelled"),
    ],
)
def test_an_action_moves_a_selection_with_one_event_for_each(
    admin, alice, bob, action, before, after
):
    orders = [placed(alice, before), placed(bob, before)]
    left = placed(alice, before)
    earlier = told()
    response = act(admin, action, *orders)
    assert told()[len(earlier) :] == [(order.pk, after) for order in orders]
    assert said(response) == [("success", f"2 orders are now “{Status(after).label}”.")]
    left.refresh_from_db()
    assert left.status == before


def test_an_action_says_which_orders_it_skipped_and_why(admin, alice):
    ready, paid = placed(alice), placed(alice, "paid")
    shipped = [placed(alice, "shipped"), placed(alice, "shipped")]
    earlier = told()
    response = act(admin, "mark_as_paid", ready, paid, *shipped)
    assert told()[len(earlier) :] == [(ready.pk, "paid")]
    numbers = ", ".join(str(order.pk) for order in shipped)
    assert said(response) == [
        ("success", "1 order is now “Paid”."),
        ("warning", f"Skipped order {paid.pk}. Already “Paid”."),
        (
            "warning",
            f"Skipped orders {numbers}. An order that is “Shipped” can't become “Paid”, "
            "only “Delivered”.",
        ),
    ]


def test_an_action_works_on_a_filtered_search_of_all_pages(admin, alice, bob):
    order = placed(alice)
    placed(bob)
    response = admin.post(
        f"{LIST}?q=alice&status__exact=placed&o=5",
        {"action": "mark_as_paid", "_selected_action": [order.pk], "select_across": "1"},
    )
    assert said(response) == [("success", "1 order is now “Paid”.")]


def test_an_action_stands_in_the_history_of_each_order(admin, alice):
    order = placed(alice)
    act(admin, "mark_as_paid", order)
    assert LogEntry.objects.get().get_change_message() == "Changed Status."
    assert (
        "Changed Status."
        in admin.get(reverse("admin:orders_order_history", args=[order.pk])).content.decode()
    )


@pytest.mark.django_db(transaction=True)
def test_an_action_waits_for_whoever_moves_the_same_order(admin, alice):
    order = placed(alice)
    answers = []

    def mark_as_paid():
        try:
            answers.append(said(act(admin, "mark_as_paid", order)))
        finally:
            connection.close()

    other = threading.Thread(target=mark_as_paid, name="the other admin")
    with transaction.atomic():
        order.status = "paid"
        order.save()
        other.start()
        wait_until_somebody_waits_for_a_row()
    other.join(10)
    assert answers == [[("warning", f"Skipped order {order.pk}. Already “Paid”.")]]


def test_an_action_that_fails_moves_no_order(admin, alice, monkeypatch):
    orders = [placed(alice), placed(alice)]
    earlier = told()
    save = Order.save

    def fail_on_the_second(self, **options):
        if self.pk == orders[1].pk:
            raise KeyError
        save(self, **options)

    monkeypatch.setattr(Order, "save", fail_on_the_second)
    with pytest.raises(KeyError):
        act(admin, "mark_as_paid", *orders)
    assert {order.status for order in Order.objects.all()} == {"placed"}
    assert told() == earlier


def test_the_actions_need_the_permission_to_change_orders(client, django_user_model, alice):
    clerk = django_user_model.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_order"))
    client.force_login(clerk)
    order = placed(alice)
    assert "mark_as_paid" not in client.get(LIST).content.decode()
    act(client, "mark_as_paid", order)
    assert client.post(change(order), {"status": "paid"}).status_code == 403
    order.refresh_from_db()
    assert order.status == "placed"

    clerk.user_permissions.add(Permission.objects.get(codename="change_order"))
    act(client, "mark_as_paid", order)
    order.refresh_from_db()
    assert order.status == "paid"


def test_customers_have_no_business_in_the_admin(client, alice):
    client.force_login(alice)
    assert client.get(LIST).status_code == 302


def test_a_long_list_of_orders_is_cut_short():
    assert skipped_text([7]) == "Skipped order 7."
    assert skipped_text([7, 8]) == "Skipped orders 7, 8."
    assert skipped_text(list(range(1, 101))) == (
        "Skipped orders 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 90 more."
    )


def test_its_times_say_their_zone(client, shop):
    client.force_login(shop)
    page = client.get("/admin/orders/order/").content.decode()
    assert '<p class="zone">Times in UTC</p>' in page
