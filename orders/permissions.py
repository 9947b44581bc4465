"""Decorators of views that require permissions on orders: other users get a 403."""

from django.contrib.auth.decorators import permission_required

# Also for the stream of everybody's orders and of the transfers.
may_view_orders = permission_required("orders.view_order", raise_exception=True)
may_add_orders = permission_required("orders.add_order", raise_exception=True)
may_change_orders = permission_required("orders.change_order", raise_exception=True)
