from decimal import Decimal

import pytest
from asgiref.sync import async_to_sync
from django.db import IntegrityError, transaction

from orders.exceptions import InvalidTransition, UnpublishedChange
from orders.models import Order

from .samples import an_order, events, told

pytestmark = pytest.mark.django_db


def test_bulk_create_tells_each_customer_of_their_order(alice, bob):
    orders = Order.objects.bulk_create(
        an_order(customer, quantity=n) for customer in (alice, bob) for n in (1, 2)
    )
    assert told() == [(order.pk, "placed") for order in orders]
    assert [(event["customer"], event["quantity"]) for event in events()] == [
        ("alice", 1),
        ("alice", 2),
        ("bob", 1),
        ("bob", 2),
    ]


def test_bulk_create_in_batches_tells_all(alice):
    orders = alice.orders.bulk_create([an_order(alice) for _ in range(5)], batch_size=2)
    assert told() == [(order.pk, "placed") for order in orders]


def test_bulk_create_of_nothing_tells_nothing():
    assert Order.objects.bulk_create([]) == []
    assert told() == []


def test_the_async_forms_tell_too(alice):
    async def place_and_pay():
        (order,) = await Order.objects.abulk_create([an_order(alice)])
        order.status = "paid"
        await order.asave()
        return order

    order = async_to_sync(place_and_pay)()
    assert told() == [(order.pk, "placed"), (order.pk, "paid")]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("wrong", [{"quantity": 0}, {"unit_price": Decimal("-1")}])
def test_bulk_create_places_all_orders_or_none(alice, wrong):
    with pytest.raises(IntegrityError):
        Order.objects.bulk_create([an_order(alice), an_order(alice, **wrong)], batch_size=1)
    assert not Order.objects.exists()
    assert told() == []


@pytest.mark.django_db(transaction=True)
def test_orders_created_in_bulk_are_rolled_back_with_their_events(alice):
    with transaction.atomic():
        Order.objects.bulk_create([an_order(alice)])
        transaction.set_rollback(True)
    assert not Order.objects.exists()
    assert told() == []


def test_bulk_create_takes_only_orders_that_are_placed(alice):
    with pytest.raises(InvalidTransition, match="starts as “Placed”, not as “Paid”"):
        Order.objects.bulk_create([an_order(alice), an_order(alice, status="paid")])
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    "options",
    [
        {"ignore_conflicts": True},
        {"update_conflicts": True, "unique_fields": ["id"], "update_fields": ["status"]},
    ],
)
def test_bulk_create_refuses_to_guess_which_orders_are_new(alice, options):
    with pytest.raises(UnpublishedChange, match=r"save\(\) them one by one"):
        Order.objects.bulk_create([an_order(alice)], **options)
    assert not Order.objects.exists()


def test_update_and_bulk_update_of_the_status_are_refused(alice):
    order = an_order(alice)
    order.save()
    with pytest.raises(UnpublishedChange, match=r"call `order\.save\(\)`"):
        Order.objects.filter(pk=order.pk).update(status="paid")
    with pytest.raises(UnpublishedChange):
        alice.orders.update(status="paid")
    order.status = "paid"
    with pytest.raises(UnpublishedChange), transaction.atomic():
        Order.objects.bulk_update([order], ["quantity", "status"])
    order.refresh_from_db()
    assert order.status == "placed"


def test_update_and_bulk_update_of_anything_else_go_through_and_tell_nothing(alice):
    order = an_order(alice)
    order.save()
    assert Order.objects.update(product="Coffee") == 1
    order.quantity = 9
    assert Order.objects.bulk_update([order], ["quantity"]) == 1
    order.refresh_from_db()
    assert (order.product, order.quantity) == ("Coffee", 9)
    assert told() == [(order.pk, "placed")]


def test_a_thousand_orders_take_few_statements(alice, django_assert_max_num_queries):
    with django_assert_max_num_queries(8):
        Order.objects.bulk_create([an_order(alice) for _ in range(1000)])
    assert len(told()) == 1000
