from datetime import UTC
from decimal import Decimal

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, models, transaction
from django.urls import include, path, reverse, set_script_prefix
from django.utils import timezone, translation

from orders.exceptions import InvalidTransition
from orders.models import MAX_QUANTITY, MAX_UNIT_PRICE, Order
from orders.status import NEXT, Status

from .samples import an_order

pytestmark = pytest.mark.django_db

# A site that has the shop somewhere else, in several languages.
urlpatterns = i18n_patterns(path("shop/", include("orders.urls")))

ALLOWED = {
    ("placed", "paid"),
    ("placed", "cancelled"),
    ("paid", "shipped"),
    ("paid", "cancelled"),
    ("shipped", "delivered"),
}
CHANGES = [
    (before, after) for before in Status.values for after in Status.values if before != after
]
WAYS = {
    "placed": [],
    "paid": ["paid"],
    "shipped": ["paid", "shipped"],
    "delivered": ["paid", "shipped", "delivered"],
    "cancelled": ["cancelled"],
}


def order_with_status(customer, status):
    order = an_order(customer)
    order.save()
    for step in WAYS[status]:
        order.status = step
        order.save()
    return order


def test_a_new_order_is_placed_now(alice):
    order = an_order(alice)
    before = timezone.now()
    order.save()
    assert order.status == "placed"
    assert order.placed_at.tzinfo is UTC
    assert abs((order.placed_at - before).total_seconds()) < 60


def test_the_total_is_quantity_times_unit_price(alice):
    assert an_order(alice, quantity=3, unit_price=Decimal("0.10")).total == Decimal("0.30")


def test_the_dearest_order_can_be_placed_and_told(alice):
    order = an_order(alice, quantity=MAX_QUANTITY, unit_price=MAX_UNIT_PRICE)
    order.full_clean()
    order.save()
    assert order.total == Decimal("999999999900.00")


def test_an_order_of_nothing_costs_nothing(alice):
    order = an_order(alice, unit_price=0)
    order.full_clean()
    order.save()
    assert order.total == 0


def test_the_newest_order_comes_first(alice):
    orders = [an_order(alice), an_order(alice), an_order(alice)]
    for order in orders:
        order.save()
    assert list(Order.objects.all()) == orders[::-1]


def test_a_customer_with_orders_cannot_be_deleted(alice):
    an_order(alice).save()
    with pytest.raises(models.ProtectedError):
        alice.delete()


INVALID = [
    ({"product": ""}, "product"),
    ({"product": "x" * 201}, "product"),
    ({"quantity": 0}, "quantity"),
    ({"quantity": -1}, "quantity"),
    ({"quantity": MAX_QUANTITY + 1}, "quantity"),
    ({"quantity": 10**30}, "quantity"),
    ({"unit_price": Decimal("-0.01")}, "unit_price"),
    ({"unit_price": Decimal("1.001")}, "unit_price"),
    ({"unit_price": Decimal("100000000")}, "unit_price"),
    ({"unit_price": Decimal("NaN")}, "unit_price"),
    ({"unit_price": Decimal("Infinity")}, "unit_price"),
    ({"status": "lost"}, "status"),
    ({"product": " \t\n"}, "__all__"),
]


@pytest.mark.parametrize(("values", "field"), INVALID)
def test_validation_names_the_field_that_is_wrong(alice, values, field):
    with pytest.raises(ValidationError) as caught:
        an_order(alice, **values).full_clean()
    assert list(caught.value.message_dict) == [field]


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"product": ""}, "orders_product_not_blank"),
        ({"product": " \t\n"}, "orders_product_not_blank"),
        ({"quantity": 0}, "orders_quantity_in_range"),
        ({"quantity": MAX_QUANTITY + 1}, "orders_quantity_in_range"),
        ({"unit_price": Decimal("-0.01")}, "orders_unit_price_in_range"),
    ],
)
def test_the_database_refuses_what_nobody_validated(alice, values, constraint):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        an_order(alice, **values).save()
    assert not Order.objects.exists()


@pytest.mark.parametrize("price", ["NaN", "-1"])
def test_the_database_refuses_a_price_that_is_no_price_whoever_writes_it(alice, price):
    an_order(alice).save()
    with (
        pytest.raises(IntegrityError, match="orders_unit_price_in_range"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE orders_order SET unit_price = %s::numeric", [price])


def test_the_database_refuses_a_status_it_does_not_know(alice):
    an_order(alice).save()
    with pytest.raises(IntegrityError, match="orders_status_known"), transaction.atomic():
        # Past the manager, which takes no status at all.
        models.QuerySet(Order).update(status="lost")


def test_every_status_says_where_it_leads():
    assert {(before, after) for before in Status for after in NEXT[before]} == ALLOWED


@pytest.mark.parametrize(("before", "after"), CHANGES)
def test_only_sensible_transitions_are_valid_and_saved(alice, before, after):
    order = order_with_status(alice, before)
    order.status = after
    if (before, after) in ALLOWED:
        order.full_clean()
        order.save()
    else:
        reason = f"that is “{Status(before).label}” can't become “{Status(after).label}”"
        with pytest.raises(ValidationError, match=reason):
            order.full_clean()
        with pytest.raises(InvalidTransition, match=reason):
            order.save()
    saved = Order.objects.get(pk=order.pk)
    assert saved.status == (after if (before, after) in ALLOWED else before)


def test_the_error_says_what_is_possible(alice):
    order = an_order(alice)
    order.save()
    order.status = "delivered"
    with pytest.raises(InvalidTransition, match="only “Paid” or “Cancelled”"):
        order.save()
    order = order_with_status(alice, "delivered")
    order.status = "placed"
    with pytest.raises(InvalidTransition, match="that status is final"):
        order.save()


@pytest.mark.parametrize(
    ("status", "label"), [("paid", "Paid"), ("cancelled", "Cancelled"), ("lost", "lost")]
)
def test_a_new_order_can_only_start_as_placed(alice, status, label):
    with pytest.raises(InvalidTransition, match=f"starts as “Placed”, not as “{label}”"):
        an_order(alice, status=status).save()
    with pytest.raises(ValidationError, match="starts as “Placed”"):
        an_order(alice, status=status).full_clean()
    assert not Order.objects.exists()


def test_a_status_set_by_an_expression_is_refused(alice):
    order = an_order(alice)
    order.save()
    order.status = models.Value("delivered")
    with pytest.raises(InvalidTransition):
        order.save()


def test_a_stale_instance_cannot_undo_what_happened_meanwhile(alice):
    order = an_order(alice)
    order.save()
    stale = Order.objects.get(pk=order.pk)
    order.status = "cancelled"
    order.save()

    stale.product = "Coffee"
    with pytest.raises(InvalidTransition, match="that is “Cancelled” can't become “Placed”"):
        stale.save()
    order.refresh_from_db()
    assert (order.status, order.product) == ("cancelled", "Tea")


def test_a_stale_instance_can_save_what_is_not_the_status(alice):
    order = an_order(alice)
    order.save()
    stale = Order.objects.get(pk=order.pk)
    unloaded = Order.objects.only("quantity").get(pk=order.pk)
    order.status = "cancelled"
    order.save()

    stale.product = "Coffee"
    stale.save(update_fields=["product"])
    unloaded.quantity = 7
    unloaded.save()
    order.refresh_from_db()
    assert (order.status, order.product, order.quantity) == ("cancelled", "Coffee", 7)


def test_an_order_has_the_address_of_its_page_wherever_the_shop_stands(settings):
    order = Order(pk=7)
    assert order.get_absolute_url() == reverse("order", args=[7])
    set_script_prefix("/100%/")
    try:
        assert order.get_absolute_url() == reverse("order", args=[7])
    finally:
        set_script_prefix("/")
    settings.ROOT_URLCONF = __name__
    for language in ("de", "es"):
        with translation.override(language):
            assert order.get_absolute_url() == f"/{language}/shop/orders/7/"
