"""The orders of the shop."""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, router, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

import realtime
from realtime.bell import Notice, forget_message, message

from .events import DELETED_TYPE, ORDER_TYPE, STREAM, utc_text
from .exceptions import InvalidTransition, UnpublishedChange
from .status import Status, check_transition

MAX_QUANTITY = 10_000
MAX_UNIT_PRICE = Decimal("99999999.99")


Method = TypeVar("Method", bound=Callable[..., Any])


def alters_data(method: Method) -> Method:
    """Mark a method as one that a template may not call.

    https://docs.djangoproject.com/en/stable/ref/templates/api/#alters-data-description
    """
    marked: Any = method
    marked.alters_data = True
    return method


class OrderQuerySet(models.QuerySet["Order"]):
    """Prevents a change of status without its event: Django's bulk methods send no signals."""

    def visible_to(self, user: AbstractUser | AnonymousUser) -> "OrderQuerySet":
        """The orders that a user may see: their own; everybody's for staff who may view orders.

        As in the admin, the permission to change orders includes that to view them.
        """
        if user.has_perm("orders.view_order") or user.has_perm("orders.change_order"):
            return self
        return self.filter(customer=user.pk)

    @alters_data
    def bulk_create(
        self,
        objs: Iterable["Order"],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list["Order"]:
        """Place many orders in a few statements, each with its event, in one transaction."""
        if ignore_conflicts or update_conflicts:
            raise UnpublishedChange(
                "bulk_create() of orders takes neither ignore_conflicts nor update_conflicts: the "
                "database doesn't say which rows it has created, so their events can't be "
                "published. Leave out the orders that exist already, or save() them one by one."
            )
        orders = list(objs)
        for order in orders:
            check_transition(None, order.status)
        self._for_write = True
        with transaction.atomic(using=self.db):
            super().bulk_create(orders, batch_size=batch_size)
            Order.objects.using(self.db).filter(pk__in=[order.pk for order in orders]).publish()
        return orders

    @alters_data
    def update(self, **values: Any) -> int:
        """Refuses to change the status; bulk_update() also calls this method."""
        if "status" in values:
            raise UnpublishedChange(
                "update() and bulk_update() can't change the status of orders: no event would be "
                "published, and no transition checked. Set `order.status` and call `order.save()` "
                "for each order, in one `transaction.atomic()` if they belong together."
            )
        return super().update(**values)

    @alters_data
    def publish(self) -> None:
        """Publish an event for each of these orders, as their rows are now."""
        publish_orders(self.select_related("customer").order_by("pk"), self.db)


class Order(models.Model):
    """One product, ordered by one customer.

    Events are published when it is placed, when its status changes and when it is deleted.
    """

    Status = Status

    # An order outlives the account: deactivate a customer (`is_active`) instead of deleting one.
    customer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("customer"),
        on_delete=models.PROTECT,
        related_name="orders",
        db_index=False,  # an index below begins with it
    )
    product = models.CharField(_("product"), max_length=200)
    quantity = models.PositiveIntegerField(
        _("quantity"), validators=[MinValueValidator(1), MaxValueValidator(MAX_QUANTITY)]
    )
    unit_price = models.DecimalField(
        _("unit price"), max_digits=10, decimal_places=2, validators=[MinValueValidator(0)]
    )
    status = models.CharField(_("status"), max_length=20, choices=Status, default=Status.PLACED)
    placed_at = models.DateTimeField(_("placed at"), db_default=Now(), editable=False)
    # Empty until the status changes for the first time.
    status_changed_at = models.DateTimeField(_("status changed at"), null=True, editable=False)

    objects = OrderQuerySet.as_manager()

    # Whether the present save() changes the status, for the receiver of post_save.
    status_changes = False

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        ordering = ["-placed_at", "-id"]
        indexes = [
            models.Index(fields=["customer", "-placed_at", "-id"], name="orders_of_a_customer"),
            models.Index(fields=["-placed_at", "-id"], name="orders_newest_first"),
            models.Index(fields=["status", "-placed_at", "-id"], name="orders_of_a_status"),
        ]
        constraints = [
            models.CheckConstraint(
                name="orders_product_not_blank",
                condition=Q(product__regex=r"\S"),
                violation_error_message=_("Name the product."),
            ),
            models.CheckConstraint(
                name="orders_quantity_in_range",
                condition=Q(quantity__gte=1, quantity__lte=MAX_QUANTITY),
            ),
            # The upper bound also keeps out NaN, which PostgreSQL sorts above all numbers.
            models.CheckConstraint(
                name="orders_unit_price_in_range",
                condition=Q(unit_price__gte=0, unit_price__lte=MAX_UNIT_PRICE),
            ),
            models.CheckConstraint(
                name="orders_status_known", condition=Q(status__in=Status.values)
            ),
        ]

    def __str__(self) -> str:
        return gettext("Order %(number)s: %(quantity)s × %(product)s") % {
            "number": self.pk,
            "quantity": self.quantity,
            "product": self.product,
        }

    def save(
        self,
        *,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
        **options: Any,
    ) -> None:
        """Save the order, and publish its placing or its change of status with it.

        Raises InvalidTransition if the status in the table, as it is now, can't become this one.
        """
        using = using or router.db_for_write(type(self), instance=self)
        if update_fields is not None:
            update_fields = frozenset(update_fields)
        outer = self.status_changes
        # Django sends post_save after its own transaction: without this one, an order could be
        # committed without its event.
        with transaction.atomic(using=using):
            try:
                self.status_changes = self._check_status(using, update_fields)
                if self.status_changes and update_fields is not None:
                    update_fields |= {"status_changed_at"}
                super().save(using=using, update_fields=update_fields, **options)
            finally:
                # A receiver of post_save may save this order once more, inside this save.
                self.status_changes = outer

    def get_absolute_url(self) -> str:
        return reverse("order", args=[self.pk])

    @property
    def total(self) -> Decimal:
        return self.quantity * self.unit_price

    @property
    def changed_at(self) -> datetime:
        """When the order got its present status."""
        return self.status_changed_at or self.placed_at

    def event_data(self) -> dict[str, Any]:
        """The data of an event about the order as it is now, in JSON's own types."""
        return {
            "order": self.pk,
            "status": self.status,
            "product": self.product,
            "quantity": self.quantity,
            "unit_price": f"{self.unit_price:.2f}",
            "total": f"{self.total:.2f}",
            "customer": self.customer.get_username(),
            "placed_at": utc_text(self.placed_at),
            "changed_at": utc_text(self.changed_at),
        }

    @alters_data
    def publish(self, using: str) -> None:
        """Publish the order as the present save() has written it.

        using: the alias of the database where it is saved, in an open transaction.
        """
        if self._is_as_saved:
            publish_orders([self], using)
        else:
            # Read the row again: this instance may have a price that isn't rounded yet, or a
            # changed field that `update_fields` leaves out.
            Order.objects.using(using).filter(pk=self.pk).publish()

    def notice(self) -> Notice:
        """The customer's notification about the order as it is now."""
        return Notice(
            self.customer,
            f"orders.{self.status}",
            self,
            title=f"{self.quantity} × {self.product}",
            context={"order": self.pk, "total": f"{self.total:.2f}"},
        )

    @alters_data
    def publish_deletion(self, using: str) -> None:
        """Publish that this order is gone, in the transaction that deletes it.

        using: the alias of the database that it is deleted from.
        """
        customer = realtime.Topic(get_user_model()._meta.label_lower, self.customer_id)
        realtime.publish_many(
            [
                realtime.Message(customer, {"order": self.pk}, type=DELETED_TYPE),
                forget_message(customer, self),
            ],
            stream=STREAM,
            using=using,
        )

    @property
    def _is_as_saved(self) -> bool:
        """Whether a new order equals its inserted row, so that the row need not be read again.

        It does if each value has the type that the column returns, and needed no rounding.
        """
        return (
            type(self.pk) is int
            and type(self.product) is str
            and type(self.quantity) is int
            and type(self.unit_price) is Decimal
            and self.unit_price == round(self.unit_price, 2)
            and type(self.placed_at) is datetime
            and timezone.is_aware(self.placed_at)
            and self.status_changed_at is None
        )

    def clean(self) -> None:
        super().clean()
        try:
            check_transition(self._status_in_table(self._state.db), self.status)
        except InvalidTransition as error:
            raise ValidationError({"status": str(error)}) from error

    def _check_status(self, using: str, update_fields: frozenset[str] | None) -> bool:
        """Lock the row, check the transition, and return whether the status changes.

        If it does, the time of the change is set.
        """
        if update_fields is not None and "status" not in update_fields:
            return False
        if "status" in self.get_deferred_fields():  # not loaded, so Django won't write it
            return False
        # The row's status, not this instance's: of two users who change an order at once, the
        # second waits here and then sees the first one's change.
        before = self._status_in_table(using, lock=True)
        check_transition(before, self.status)
        if before is not None and before != self.status:
            self.status_changed_at = timezone.now()
        return before != self.status

    def _status_in_table(self, using: str | None, *, lock: bool = False) -> str | None:
        """The status of the saved order; None if there is none."""
        if self.pk is None:
            return None
        rows = Order.objects.using(using).filter(pk=self.pk).order_by()
        if lock:
            rows = rows.select_for_update()
        return rows.values_list("status", flat=True).first()


def publish_orders(orders: Iterable[Order], using: str) -> None:
    """Publish each order's event and notify its customer, in the open transaction.

    Each order has two events, one for pages and one for the bell, all in one statement.

    orders: instances with the same values as their rows.
    """
    messages = []
    for order in orders:
        messages += [
            realtime.Message(order.customer, order.event_data(), type=ORDER_TYPE),
            message(order.notice()),
        ]
    realtime.publish_many(messages, stream=STREAM, using=using)
