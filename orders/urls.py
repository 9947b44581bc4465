"""The bell page, and the stream that rings it."""

from django.urls import path

from realtime import EventStreamView

urlpatterns = [
    path(
        "orders/realtime",
        EventStreamView.as_view(stream="orders", view_all_permission="orders.view_order"),
        name="orders_realtime",
    ),
]
